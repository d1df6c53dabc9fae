"""A job to a shard: build the character, take its poses, draw them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.mocap.rig import forward_kinematics
from training.characters.character import RiggedCharacter
from training.characters.imports.load import load_character
from training.characters.observe import observe
from training.characters.procedural.build import build
from training.dataset.plan import Job, Plan
from training.dataset.scenes import behind, scene
from training.dataset.shard import Sample, pack
from training.dataset.takes import Take, in_a_row, takes
from training.render.scene import DEFAULT_STYLE, Camera, Style


def make_shard(job: Job) -> bytes:
    """The bytes of a job's shard; the same job gives the same bytes on the same machine."""
    return pack(render_job(job), opaque=job.plan.background != "transparent")


def render_job(job: Job) -> list[Sample]:
    """The samples of a job."""
    character = _character(job)
    return [
        _taken(job, character, take, np.random.default_rng([job.plan.seed, job.number, 3, i]))
        for i, take in enumerate(takes(job, character))
    ]


def render_in_a_row(job: Job, count: int) -> list[Sample]:
    """`count` samples of a job's character that follow each other: what flicker is measured on."""
    character = _character(job)
    return [
        _taken(job, character, take, np.random.default_rng([job.plan.seed, job.number, 3]))
        for take in in_a_row(job, character, count)
    ]


def _character(job: Job) -> RiggedCharacter:
    if isinstance(job.character, int):
        return build(job.character, detail=0.5 if job.plan.size <= 256 else 1.0)
    return load_character(Path(job.character.path))


def _taken(job: Job, character: RiggedCharacter, take: Take, rng: np.random.Generator) -> Sample:
    plan = job.plan
    seen = observe(
        character,
        take.pose,
        plan.size,
        plan.supersample,
        camera=_camera(plan, character, take, rng),
        style=_style(plan, rng),
        springs=take.springs,
    )
    picture = seen.picture
    if plan.background == "white":
        picture = behind(picture, np.full((plan.size, plan.size, 3), 255, np.uint8))
    elif plan.background == "scenes":
        picture = behind(picture, scene(rng, plan.size))
    truth = {
        "character": job.name,
        "split": job.split,
        "kind": take.kind,
        "name": take.name,
        "seconds": round(take.seconds, 3),
        "joints": np.round(seen.joints.astype(np.float64), 3).tolist(),
        "visible": seen.visible.tolist(),
        "bone_lengths": np.round(seen.bone_lengths.astype(np.float64), 3).tolist(),
    }
    return Sample(picture, truth)


def _camera(plan: Plan, character: RiggedCharacter, take: Take, rng: np.random.Generator) -> Camera:
    """The character's own, focused on its hips, wherever it walks; its height stays."""
    _, positions = forward_kinematics(take.pose, character.rest)
    camera = character.camera.over(float(positions[0, 0]), float(positions[0, 2]))
    if plan.vary_camera:
        nearness = float(np.exp(rng.uniform(np.log(0.35), np.log(2.0))))
        pitch = float(np.clip(rng.normal(0.0, np.radians(8.0)), -0.35, 0.35))
        camera = replace(camera, distance=camera.distance * nearness, pitch=pitch)
        shift = rng.uniform(-0.06, 0.06), rng.uniform(-0.03, 0.03)
        camera = camera.moved(shift, float(rng.uniform(0.75, 1.02)))
    return camera


def _style(plan: Plan, rng: np.random.Generator) -> Style:
    if not plan.vary_light:
        return DEFAULT_STYLE
    light = (rng.uniform(-0.9, 0.9), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.9))
    return replace(DEFAULT_STYLE, light=light, threshold=float(rng.uniform(0.08, 0.28)))
