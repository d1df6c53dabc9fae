"""`ayatsuri-train data make`: all shards of a plan, in parallel, resumable, checked by hashes."""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from engine.errors import pip_install
from training.dataset.errors import DatasetError
from training.dataset.plan import SPLITS, Job, Plan
from training.dataset.render import make_shard
from training.files import make_folder, write_whole

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


def make(
    plan: Plan,
    folder: Path,
    *,
    workers: int = 2,
    ray: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Make what `folder` lacks of the plan's shards; returns the manifest.

    Args:
        plan: what to make.
        folder: for `train/*.tar`, `test/*.tar` and the manifest. Shards that are whole are kept.
        workers: processes that render, or, with `ray`, the most that the cluster may use.
        ray: render on a Ray cluster (the running one, or one on this machine).
        on_progress: told of the samples done and in all.

    Raises:
        DatasetError: the folder holds another plan's data set, Ray is missing, or a character or
            motion cannot be read.
        Unwritable: a file cannot be written, or the disk is full (NoRoom); what is whole stays.
    """
    _claim(plan, folder)
    jobs = list(plan.jobs())
    shards = {job.path: kept for job in jobs if (kept := _kept(folder, job)) is not None}
    total = len(jobs) * plan.samples
    on_progress(len(shards) * plan.samples, total)
    missing = [job for job in jobs if job.path not in shards]
    if missing:
        with _pool(min(workers, len(missing)), ray) as pool:
            for job, data in pool.imap_unordered(_made, missing):
                shards[job.path] = _keep(folder, job, data)
                on_progress(len(shards) * plan.samples, total)
    manifest = _manifest(plan) | {
        "samples": {
            split: sum(plan.samples for job in jobs if job.split == split) for split in SPLITS
        },
        "shards": [shards[job.path] for job in jobs],
    }
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    for job in jobs:  # the manifest has it all now
        (folder / job.path).with_suffix(".json").unlink(missing_ok=True)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a data set; raises DatasetError where there is none."""
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        complete = found["format"] == FORMAT and isinstance(found["plan_sha256"], str)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"expected the manifest of a data set at {path}, found {error}: make one with "
            f"`ayatsuri-train data make {folder}`"
        ) from error
    if not complete:
        raise DatasetError(
            f"{path}: expected format {FORMAT}, found {found['format']}: make the data set again"
        )
    return found


def _manifest(plan: Plan) -> dict[str, Any]:
    return {"format": FORMAT, "plan": plan.to_dict(), "plan_sha256": plan.digest}


def _claim(plan: Plan, folder: Path) -> None:
    """Write the plan into an empty folder, or see that it is the same one."""
    if not (folder / MANIFEST).exists():
        if folder.exists() and any(folder.iterdir()):
            raise DatasetError(
                f"expected an empty folder or a data set, found other files in {folder}: choose "
                "another folder"
            )
        make_folder(folder)
        write_whole(folder / MANIFEST, json.dumps(_manifest(plan), indent=1).encode())
    found = read_manifest(folder)
    if found["plan_sha256"] != plan.digest:
        differences = [
            f"{key} {found.get('plan', {}).get(key)!r} instead of {value!r}"
            for key, value in json.loads(json.dumps(plan.to_dict())).items()
            if found.get("plan", {}).get(key) != value
        ]
        raise DatasetError(
            f"{folder} holds a data set of another plan ({'; '.join(differences)}): choose another "
            "folder, or delete this one"
        )


def _described(job: Job, data: bytes) -> dict[str, Any]:
    return {
        "path": job.path,
        "samples": job.plan.samples,
        "bytes": len(data),
        "sha256": sha256(data).hexdigest(),
    }


def _keep(folder: Path, job: Job, data: bytes) -> dict[str, Any]:
    """Write a shard, then its description beside it: with one, a shard is complete."""
    description = _described(job, data)
    path = folder / job.path
    make_folder(path.parent)
    write_whole(path, data)
    write_whole(path.with_suffix(".json"), json.dumps(description).encode())
    return description


def _kept(folder: Path, job: Job) -> dict[str, Any] | None:
    """The description of a shard that is there and whole."""
    path = folder / job.path
    try:
        known = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        manifest = read_manifest(folder)
        known = next((s for s in manifest.get("shards", []) if s["path"] == job.path), None)
    try:
        found = _described(job, path.read_bytes())
    except OSError:
        return None
    return found if found == known else None


class _Pool(Protocol):
    def imap_unordered(
        self, function: Callable[[Job], tuple[Job, bytes]], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, bytes]]: ...

    def terminate(self) -> None: ...

    def join(self) -> None: ...


class _ThisProcess:
    def imap_unordered(
        self, function: Callable[[Job], tuple[Job, bytes]], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, bytes]]:
        return map(function, jobs)


@contextmanager
def _pool(workers: int, ray: bool) -> Iterator[_Pool | _ThisProcess]:
    if workers == 1 and not ray:
        yield _ThisProcess()
        return
    pool = _ray_pool(workers) if ray else multiprocessing.get_context("spawn").Pool(workers)
    try:
        yield pool
    finally:
        pool.terminate()
        pool.join()


def _ray_pool(workers: int) -> _Pool:
    try:
        from ray.util.multiprocessing import Pool
    except ImportError as error:
        raise DatasetError(
            f"expected Ray for --ray, found it is not installed: {pip_install('cluster')}"
        ) from error
    pool: _Pool = Pool(workers)
    return pool


def _made(job: Job) -> tuple[Job, bytes]:
    return job, make_shard(job)
