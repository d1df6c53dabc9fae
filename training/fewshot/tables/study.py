"""Runs and trials, done one after the other; a command that was killed goes on."""

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from training.dataset.reader import Dataset
from training.dataset.samples import CharacterPictures
from training.fewshot import checkpoint, commands
from training.fewshot.config import TrainConfig
from training.fewshot.diary import minutes
from training.fewshot.episodes import Characters
from training.fewshot.loader import Kept, Loader
from training.fewshot.meta import drawing
from training.fewshot.recipe import Recipe, build
from training.fewshot.tables.budget import Budget, Shipping
from training.fewshot.tables.plan import FULL, RUNS, Run, Trial, shots_named
from training.fewshot.tables.results import (
    MEASURES,
    U8,
    Pictures,
    Result,
    checkpoint_path,
    read_pictures,
    read_result,
    result_path,
)
from training.fewshot.train import CHECKPOINT, Training, train_step
from training.fewshot.validate import attempts
from training.fewshot.workers import Workers
from training.metrics.evaluate import Networks, evaluate
from training.metrics.frechet import frechet, kernel
from training.metrics.pictures import on_white

WEIGHTS = "live.safetensors"
CHECKPOINTS = 8  # of a run, at most, so that a kill costs little
PACE_STEPS = 2


class Study:
    """The tables' folder, its budget and the data.

    Args:
        data: a data set of `data make`.
        folder: where runs, results and pictures are kept.
        budget: that of every run.
        place: the device.
        loaders: threads that make batches, and measure.
        fid: whether FID and KID are measured too, at 0.15 s a picture; also of trials that were
            judged without.
        say: told what is being done.
    """

    def __init__(
        self,
        data: Path,
        folder: Path,
        budget: Budget,
        place: Workers,
        *,
        loaders: int = 2,
        fid: bool = True,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.budget, self.place = folder, budget, place
        self.loaders, self.fid, self.say = loaders, fid, say
        self.digest = commands.manifest_hash(data)
        self._data = data
        self._networks = Networks(say)
        self._truth: dict[bytes, NDArray[np.float32]] = {}  # features, of one set

    @cached_property
    def characters(self) -> Kept:
        """Those to train on, small enough to be kept in memory."""
        return Kept(Dataset.open(self._data, "train", self.budget.size))

    @cached_property
    def held_out(self) -> list[CharacterPictures]:
        """Those to be judged on."""
        others = Dataset.open(self._data, "test", self.budget.size)
        return [others[i] for i in range(min(self.budget.characters, len(others)))]

    def checkpoint_of(self, run: Run, seed: int) -> Path:
        """Where a run's state is."""
        return checkpoint_path(self.folder, run.name, seed)

    def do(self, trials: Iterable[Trial]) -> None:
        """Train and judge whatever is not done yet."""
        for trial in trials:
            for seed in self.budget.seeds:
                if not result_path(self.folder, trial, seed).exists():
                    self.train(RUNS[trial.run], seed)
                    self.judge(trial, seed)
                    continue
                self._complete(trial, seed)

    def _complete(self, trial: Trial, seed: int) -> None:
        """Measure what a trial was judged without: FID, or what there was no measure of then."""
        known = read_result(self.folder, trial, seed, self.budget, self.digest)
        found = known
        if any(not MEASURES.keys() <= c.keys() for c in known.characters.values()):
            pictures = read_pictures(self.folder, trial, seed)
            found = replace(found, characters=self._by_character(pictures))
        if self.fid and "fid" not in known.whole:
            pictures = read_pictures(self.folder, trial, seed)
            found = replace(found, whole=self._of_all(pictures))
        if found is not known:
            found.write(result_path(self.folder, trial, seed))

    def train(self, run: Run, seed: int) -> None:
        """Train to the end of the budget, from wherever the run is."""
        budget, path = self.budget, self.checkpoint_of(run, seed)
        self._train(path, run.config(budget, seed), run.recipe(budget), run.name, self.characters)

    def _train(
        self, path: Path, config: TrainConfig, recipe: Recipe, name: str, characters: Characters
    ) -> None:
        if path.exists() and checkpoint.load(path)["step"] >= config.steps:
            return
        self.say(f"training {name}: {config.steps} steps")
        commands.train_on(
            characters, (), self.digest, path.parent, config, recipe, self.place,
            adaptation=self.budget.adaptation(1, config.seed), minutes=None,
            every=max(1, config.steps // CHECKPOINTS), loaders=self.loaders,
        )  # fmt: skip

    def judge(self, trial: Trial, seed: int) -> Result:
        """Adapt to the held-out characters, draw, measure, and write it all down."""
        self.say(
            f"judging {trial.run} with {shots_named(trial.shots)} of {trial.drawings} drawings"
        )
        path = self.checkpoint_of(RUNS[trial.run], seed)
        training, recipe = commands.load_training(path, self.place.device)
        trials = attempts(
            training.shipped(), training.objective, self.held_out,
            self.budget.adaptation(trial.shots, seed), size=self.budget.size,
            queries=self.budget.pictures, device=self.place.device,
            drawings=trial.drawings,
        )  # fmt: skip
        pictures = Pictures(
            *(
                np.stack([getattr(t, name) for t in trials])
                for name in ("source", "joints", "after", "truth")
            )
        )
        result = Result(
            trial.run, trial.shots, seed, self.budget.to_dict(), recipe.to_dict(),
            json.loads(json.dumps(training.config.to_dict())), self.digest,
            minutes(path.parent), fmean(t.seconds for t in trials),
            self._by_character(pictures), self._of_all(pictures), trial.drawings,
        )  # fmt: skip
        target = result_path(self.folder, trial, seed)
        target.parent.mkdir(parents=True, exist_ok=True)
        pictures.write(target.with_suffix(".npz"))
        result.write(target)  # last: what has it is whole
        return result

    def _by_character(self, pictures: Pictures) -> dict[str, dict[str, float]]:
        def measured(number: int) -> dict[str, float]:
            parts = (pictures.made[number], pictures.truth[number], pictures.joints[number])
            made, truth, joints = parts
            return evaluate(list(made), list(truth), joints, fid=False, networks=self._networks)

        names = [character.name for character in self.held_out]
        # The first alone: it loads the networks that the threads share.
        first = measured(0)
        with ThreadPoolExecutor(self.loaders) as pool:
            return dict(zip(names, [first, *pool.map(measured, range(1, len(names)))], strict=True))

    def _of_all(self, pictures: Pictures) -> dict[str, float]:
        if not self.fid:
            return {}
        key = pictures.truth.tobytes()
        if key not in self._truth:
            self._truth = {key: self._features(pictures.truth)}
        made, truth = self._features(pictures.made), self._truth[key]
        return {"fid": frechet(made, truth), "kid": kernel(made, truth)}

    def _features(self, pictures: U8) -> NDArray[np.float32]:
        network = self._networks.drawings
        with ThreadPoolExecutor(self.loaders) as pool:
            return np.concatenate(
                list(pool.map(lambda ps: network.features([on_white(p) for p in ps]), pictures))
            )

    def pace(self, runs: Iterable[Run]) -> dict[str, float]:
        """Seconds that a step of each run takes here and now, at the last size."""
        found = {}
        for run in runs:
            config = replace(
                run.config(self.budget, 0), steps=1000, sizes=(self.budget.size,), grow_at=()
            )
            if config.multi_step:  # its mean over the run
                share = config.multi_step
                both = [self._step_seconds(run, replace(config, multi_step=m)) for m in (1.0, 0.0)]
                found[run.name] = share * both[0] + (1 - share) * both[1]
            else:
                found[run.name] = self._step_seconds(run, config)
            self.say(f"{run.name}: {found[run.name]:.2f} s a step")
        return found

    def _step_seconds(self, run: Run, config: TrainConfig) -> float:
        training = Training.new(config, *build(run.recipe(self.budget)), self.place.device)
        draw = drawing(training.method)
        first = [self.characters[i] for i in range(min(config.tasks, len(self.characters)))]
        seconds = float("inf")
        # In the middle of the run, when every discriminator has joined.
        training.step = config.steps * 2 // 3 if not config.multi_step else 0
        with Loader(
            first, config, self.place.device, start=training.step,
            tasks=self.place.share(config.tasks), workers=1,
        ) as loader:  # fmt: skip
            batches = iter(loader)
            for _ in range(1 + PACE_STEPS):
                episodes, began = next(batches), time.perf_counter()
                losses = train_step(training, episodes, self.place, draw)
                float(losses["loss"])  # waits for the device
                seconds = min(seconds, time.perf_counter() - began)
        return seconds

    def ship(self, shipping: Shipping) -> Path:
        """Train the full method for longer, and write its weights as they ship."""
        seed, run = self.budget.seeds[0], RUNS[FULL]
        path = self.folder / "runs" / "ship" / CHECKPOINT
        longer = replace(
            self.budget, steps=shipping.times * self.budget.steps, sizes=shipping.sizes,
            grow_at=shipping.grow_at,
        )  # fmt: skip
        characters = Kept(Dataset.open(self._data, "train", longer.size))
        self._train(path, run.config(longer, seed), run.recipe(longer), "what ships", characters)
        commands.ship(path, self.folder / WEIGHTS)
        return self.folder / WEIGHTS
