"""Where the person is: the root from the ground plane and the body's scale.

The first paper took the place of the person from a network that guesses depth (FCRN). Here a body
of constant size tells its distance, the floor under its feet tells it better, and the camera's
tilt is what makes people stand upright on a level floor. The camera does not move.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.mocap.joints import AT, mid_hip
from engine.mocap.rotations import Array
from engine.mocap.track import FPS, smoothed

FIELD_OF_VIEW_DEG: Final = 55.0
"""Of the longer side of a picture: between a webcam's, a phone's and a lens of a film camera."""

_TORSO_AND_LEGS: Final = tuple(
    AT[name]
    for name in (
        "neck", "r_shoulder", "l_shoulder", "r_hip", "l_hip",
        "r_knee", "l_knee", "r_ankle", "l_ankle",
    )
)  # fmt: skip
_FEET: Final = (AT["l_ankle"], AT["l_toe"], AT["r_ankle"], AT["r_toe"])
_SOLE_BELOW: Final = np.array([0.062, 0.018, 0.062, 0.018])  # of each of these, body sizes
_TILTS: Final = np.radians(np.linspace(-35.0, 35.0, 141))
_LIKELY_TILT: Final = np.radians(20.0)
_LEAN_ERROR: Final = np.radians(6.0)
_CONTACT: Final = 0.035
_BELIEF: Final = 0.8  # in a keypoint, against the lifter


@dataclass(frozen=True, slots=True)
class Placed:
    """A person on a level floor.

    Attributes:
        joints: (F, 17, 3) body sizes: x right in the picture, y up from the floor, z towards the
            camera; the origin is the floor below the person's mean place.
        tilt: how far the camera looks down, radians.
        roll: how far things lean to the right in its picture, radians.
        camera: (3,) where the camera is, in the same axes.
    """

    joints: Array
    tilt: float
    roll: float
    camera: Array


def focal_px(size_wh: tuple[int, int], field_of_view_deg: float = FIELD_OF_VIEW_DEG) -> float:
    """Focal length of a camera that sees so many degrees along the picture's longer side."""
    return max(size_wh) / (2.0 * float(np.tan(np.radians(field_of_view_deg) / 2.0)))


def upright(joints: Array) -> tuple[Array, float]:
    """Lifted joints turned about x so that, over the whole video, the person stands upright.

    Both lifters take a look down for a lean. Returns the joints, and the turn in radians: how far
    they leant towards the camera.
    """
    body = _standing(joints)
    lean = float(np.median(np.arctan2(-body[:, 2], -body[:, 1])))
    lean = float(np.clip(lean, _TILTS[0], _TILTS[-1]))
    return about_x(joints, -lean), lean


def _standing(joints: Array) -> Array:
    """From the ankles to the neck (N, 3), N > 0, where somebody stands: long, mostly vertical."""
    ankles = 0.5 * (joints[:, AT["r_ankle"]] + joints[:, AT["l_ankle"]])
    body = joints[:, AT["neck"]] - ankles
    tall = float(np.quantile(-body[:, 1], 0.9))
    if tall <= 0.0:
        return np.array([[0.0, -1.0, 0.0]])  # somebody on their hands throughout: no lean is known
    return np.asarray(body[-body[:, 1] >= 0.9 * tall])


def roll_of(joints: Array) -> float:
    """How far the camera is rolled, radians: by as much the person leans to the right, always.

    People do lean a little: two degrees of the median are theirs.
    """
    body = _standing(joints)
    lean = float(np.median(np.arctan2(body[:, 0], -body[:, 1])))
    return float(np.sign(lean) * np.clip(abs(lean) - np.radians(2.0), 0.0, np.radians(25.0)))


def about_z(points: Array, angle: float) -> Array:
    """Points (..., 2 or 3) in the camera's axes, their tops tipped to the right by `angle`."""
    c, s = np.cos(angle), np.sin(angle)
    out = points.copy()
    out[..., 0] = c * points[..., 0] - s * points[..., 1]
    out[..., 1] = c * points[..., 1] + s * points[..., 0]
    return np.asarray(out)


def about_x(points: Array, angle: float) -> Array:
    """Points (..., 3) in the camera's axes, their tops tipped towards the camera by `angle`."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x, c * y - s * z, c * z + s * y], axis=-1)


def by_scale(joints: Array, rays: Array) -> Array:
    """(F, 3) where a body of joints (F, K, 3) about its root must be to be seen along rays
    (F, K, 2), which are pixels from the middle of the picture over the focal length; by least
    squares (the linear equations of a pinhole camera). The camera's axes, the unit of `joints`.
    """
    n = len(joints)
    u, v = rays[..., 0], rays[..., 1]
    one, zero = np.ones_like(u), np.zeros_like(u)
    rows = np.concatenate(
        [np.stack([one, zero, -u], axis=-1), np.stack([zero, one, -v], axis=-1)], axis=1
    )
    right = np.concatenate(
        [u * joints[..., 2] - joints[..., 0], v * joints[..., 2] - joints[..., 1]], axis=1
    )
    normal = np.einsum("fki,fkj->fij", rows, rows) + 1e-9 * np.eye(3)
    root = np.linalg.solve(normal, np.einsum("fki,fk->fi", rows, right)[..., None])
    return np.asarray(root.reshape(n, 3))


def place(
    joints: Array,
    keypoints: Array,
    size_wh: tuple[int, int],
    field_of_view_deg: float = FIELD_OF_VIEW_DEG,
) -> Placed:
    """Put lifted joints (F, 17, 3) on the floor, by their keypoints (F, 17, 2) in pixels."""
    focal = focal_px(size_wh, field_of_view_deg)
    rays = (keypoints - 0.5 * np.array(size_wh)) / focal
    body = list(_TORSO_AND_LEGS)
    roll = roll_of(joints)
    rays = about_z(rays, -roll)
    straight, lean = upright(about_z(joints, -roll))

    # The camera's tilt: the floor that fits the feet over all frames, weighed against what the
    # lifter takes for a lean, and against a level camera.
    best = (np.inf, 0.0)
    for tilt in _TILTS:
        seen = about_x(straight, float(tilt))
        depth = _distance(by_scale(seen[:, body], rays[:, body])[:, 2])
        misfit = _floor_misfit(seen, rays, depth, float(tilt))
        misfit += 0.5 * ((tilt - lean) / _LEAN_ERROR) ** 2 + 0.5 * (tilt / _LIKELY_TILT) ** 2
        best = min(best, (float(misfit), float(tilt)))
    tilt = best[1]
    seen = about_x(straight, tilt)
    scale_depth = _distance(by_scale(seen[:, body], rays[:, body])[:, 2])
    depth = _by_floor(seen, rays, scale_depth, tilt)

    # At that depth, the place at which the body covers its keypoints best.
    at = depth[:, None] + seen[:, body, 2]
    across = np.mean(rays[:, body, 0] * at - seen[:, body, 0], axis=1)
    down = np.mean(rays[:, body, 1] * at - seen[:, body, 1], axis=1)
    root = np.stack([across, down, depth], axis=-1)
    level = about_x(seen + root[:, None], -tilt)
    level = level * (1.0, -1.0, -1.0)
    soles = level[:, list(_FEET), 1] - _SOLE_BELOW
    floor = float(np.quantile(soles.min(axis=1), 0.25))
    middle = np.median(level.mean(axis=1), axis=0)
    origin = np.array([middle[0], floor, middle[2]])
    return Placed(level - origin, tilt, roll, -origin)


def towards_picture(
    placed: Placed,
    keypoints: Array,
    size_wh: tuple[int, int],
    field_of_view_deg: float = FIELD_OF_VIEW_DEG,
) -> Array:
    """The placed joints (F, 17, 3), moved most of the way across to where the picture shows them.

    Lifters guess a whole body and miss single keypoints, of which the picture is sure; the depth of
    each stays as it was. In the lifters' axes and unit, about the middle of the hips.
    """
    rays = (keypoints - 0.5 * np.array(size_wh)) / focal_px(size_wh, field_of_view_deg)
    rays = about_z(rays, -placed.roll)
    seen = about_x((placed.joints - placed.camera) * (1.0, -1.0, -1.0), placed.tilt)
    seen[..., :2] += _BELIEF * (rays * seen[..., 2:] - seen[..., :2])
    return about_z(seen - mid_hip(seen), placed.roll)


def _distance(depth: Array) -> Array:
    """Positive and calm: the body's scale is too noisy to follow it from frame to frame."""
    depth = np.clip(depth, 0.25 * np.median(depth), 4.0 * np.median(depth))
    return np.exp(smoothed(np.log(np.maximum(depth, 1e-3)), 2 * round(0.75 * FPS) + 1, 2))


def _floor_slope(rays: Array, tilt: float) -> Array:
    """How fast a ray sinks: its fall per unit of depth below a camera with that tilt."""
    return np.asarray(rays[..., 1] * np.cos(tilt) + np.sin(tilt))


def _sole_heights(seen: Array, rays: Array, depth: Array, tilt: float) -> Array:
    """(F,) how far the lowest sole is below the camera, body sizes."""
    feet = list(_FEET)
    falls = _floor_slope(rays[:, feet], tilt) * (depth[:, None] + seen[:, feet, 2])
    return np.asarray((falls + _SOLE_BELOW).max(axis=1))


def _floor_misfit(seen: Array, rays: Array, depth: Array, tilt: float) -> float:
    """Half the squared misfit of standing feet to one level floor, in standard deviations."""
    heights = _sole_heights(seen, rays, depth, tilt)
    stands = heights >= np.quantile(heights, 0.3)  # the rest is jumps
    floor = float(np.median(heights[stands]))
    sigma = 0.06  # body sizes, of one independent sample: the lifter's error of scale
    independent = max(len(depth) / FPS, 1.0)
    return 0.5 * independent * float(np.mean((heights[stands] - floor) ** 2)) / sigma**2


def _by_floor(seen: Array, rays: Array, depth: Array, tilt: float) -> Array:
    """The depth (F,) at which the lowest sole is on the floor, where the scale agrees roughly.

    Feet in the air look farther away than they are: those frames keep the correction of the
    standing ones around them.
    """
    heights = _sole_heights(seen, rays, depth, tilt)
    floor = float(np.quantile(heights, 0.6))
    feet = list(_FEET)
    slope = _floor_slope(rays[:, feet], tilt)
    if floor <= 0.1 or np.quantile(slope.max(axis=1), 0.1) < 0.03:
        return depth  # the camera is at the floor, or the feet are at its own height: no help
    candidates = (floor - _SOLE_BELOW) / np.maximum(slope, 0.02) - seen[:, feet, 2]
    correction = np.log(np.maximum(candidates.min(axis=1), 1e-3) / depth)
    half = round(0.6 * FPS)
    padded = np.pad(correction, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    near = np.quantile(windows, 0.3, axis=1)
    stands = correction < near + _CONTACT
    frames = np.arange(len(depth))
    filled = np.interp(frames, frames[stands], correction[stands])
    filled = np.clip(filled, -0.25, 0.25)
    return np.asarray(depth * np.exp(smoothed(filled, 2 * round(0.5 * FPS) + 1, 2)))
