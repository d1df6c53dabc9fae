from dataclasses import fields

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tests.fewshot import blob, blobs  # noqa: E402
from training.dataset.samples import CharacterPictures  # noqa: E402
from training.fewshot.episodes import (  # noqa: E402
    SOURCES,
    SUPPORTS,
    Episode,
    EpisodeConfig,
    choose_shifts,
    draw_episode,
    meta_batch,
    resized,
)
from training.fewshot.inputs import Inputs  # noqa: E402

FEW = settings(max_examples=40, deadline=None)
CHARACTER = blob(0, 16, count=10)


def which(truth: torch.Tensor, character: CharacterPictures) -> int:
    """The index of the picture of a character that this is, or -1."""
    picture = (truth.permute(1, 2, 0) * 255).round().byte().numpy()
    equal = (character.pictures == picture).all(axis=(1, 2, 3))
    return int(np.argmax(equal)) if equal.any() else -1


def tensors(episode: Episode) -> list[torch.Tensor]:
    inputs = [
        getattr(part.inputs, field.name)
        for part in (episode.support, episode.query)
        for field in fields(Inputs)
    ]
    return [*inputs, episode.support.truth, episode.query.truth, episode.query.background]


def same(a: Episode, b: Episode) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


@FEW
@given(
    shots=st.integers(1, 4),
    queries=st.integers(1, 6),
    support=st.sampled_from(SUPPORTS),
    source=st.sampled_from(SOURCES),
    seed=st.integers(0, 1000),
)
def test_an_episode_asks_for_what_its_support_does_not_show(
    shots: int, queries: int, support: str, source: str, seed: int
) -> None:
    config = EpisodeConfig(shots, queries, support, source)
    episode = draw_episode(CHARACTER, config, np.random.default_rng(seed))
    assert len(episode.support) == shots
    assert len(episode.query) == queries
    asked = [which(t, CHARACTER) for t in episode.query.truth]
    shown = [which(t, CHARACTER) for t in episode.support.truth]
    assert -1 not in asked
    assert not {i for i in shown if i >= 0} & set(asked)
    if support == "views":
        assert shown == list(range(shots))
    if support == "random":
        assert -1 not in shown
        assert len(set(shown)) == shots
    parts = (episode.support, episode.query)
    sources = {which(z, CHARACTER) for part in parts for z in part.inputs.source}
    assert len(sources) == 1  # one picture z of the character
    assert all(part.inputs.more.shape[1] == 0 for part in parts)
    if source == "front":
        assert sources == {0}
    if source == "view":
        assert sources <= set(range(4))
    if source == "support" and support in ("views", "random"):
        assert sources <= set(shown)
    for samples in parts:
        for joints, truth in zip(samples.inputs.joints, samples.truth, strict=True):
            x, y = joints[4, :2].int().tolist()  # the wrist's disc is where its joint says
            assert truth[3, y, x] == 1
    assert same(episode, draw_episode(CHARACTER, config, np.random.default_rng(seed)))


@FEW
@given(
    drawings=st.integers(2, 4),
    source=st.sampled_from(("view", "few")),
    seed=st.integers(0, 1000),
)
def test_further_drawings_are_of_the_character(drawings: int, source: str, seed: int) -> None:
    config = EpisodeConfig(2, 3, "random", source, drawings)
    episode = draw_episode(CHARACTER, config, np.random.default_rng(seed))
    for part in (episode.support, episode.query):
        inputs = part.inputs
        assert inputs.more.shape == (len(part), drawings - 1, 4, 16, 16)
        assert (inputs.more == inputs.more[:1]).all()
        known = [which(picture, CHARACTER) for picture in inputs.more[0]]
        first = which(inputs.source[0], CHARACTER)
        assert set(known) <= set(range(4 if source == "view" else 8))
        others = [i for i in known if i != first]  # where there are less, the source is repeated
        assert len(set(others)) == len(others)
        for i, joints in zip(known, inputs.more_joints[0], strict=True):
            np.testing.assert_array_equal(joints, CHARACTER.joints[i])


def test_as_many_drawings_are_known_as_will_be() -> None:
    config = EpisodeConfig(1, 1, "random", "view", 4)
    counts = []
    for seed in range(400):
        inputs = draw_episode(CHARACTER, config, np.random.default_rng(seed)).query.inputs
        pictures = torch.cat([inputs.source, inputs.more[0]])
        counts.append(len({which(picture, CHARACTER) for picture in pictures}))
    assert np.bincount(counts, minlength=5)[1:] == pytest.approx([100] * 4, abs=30)


@FEW
@given(count=st.integers(1, 10), seed=st.integers(0, 1000))
def test_shifts_cut_nothing_off_and_differ(count: int, seed: int) -> None:
    picture = np.zeros((16, 64, 4), np.uint8)
    picture[2:14, 24:40] = 255
    shifts = choose_shifts(picture, count, np.random.default_rng(seed))
    assert len(set(shifts.tolist())) == count
    assert shifts[0] == 0
    assert np.abs(shifts).max() <= 16  # a quarter of the width


def test_a_picture_without_room_is_not_moved() -> None:
    full = np.full((8, 8, 4), 255, np.uint8)
    assert choose_shifts(full, 4, np.random.default_rng(0)).tolist() == [0, 0, 0, 0]


@FEW
@given(
    characters=st.integers(1, 7), batch=st.integers(1, 5), step=st.integers(0, 20),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_the_batch_does_not_depend_on_who_draws_which_part(
    characters: int, batch: int, step: int, seed: int
) -> None:
    data = CAST[:characters]
    config = EpisodeConfig(1, 1, "mixed")
    arguments = {"seed": seed, "step": step, "batch": batch, "size": 16}
    whole = meta_batch(data, config, tasks=range(batch), **arguments)
    for rank in range(2):
        part = meta_batch(data, config, tasks=range(rank, batch, 2), **arguments)
        assert all(same(a, b) for a, b in zip(part, whole[rank::2], strict=True))


CAST = blobs(7, 16)


def test_every_character_is_met_once_an_epoch() -> None:
    config = EpisodeConfig(1, 1)
    met = []
    for step in range(14):
        episodes = meta_batch(CAST, config, seed=0, step=step, tasks=range(2), batch=2, size=16)
        met += [
            next(i for i, c in enumerate(CAST) if which(e.query.truth[0], c) >= 0) for e in episodes
        ]
    epochs = [met[i : i + 7] for i in range(0, 28, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_smaller_pictures_show_the_same() -> None:
    large = blob(0, 32)
    small = resized(large, 16)
    assert small.pictures.shape == (12, 16, 16, 4)
    np.testing.assert_allclose(small.joints[..., :3] * 2, large.joints[..., :3])
    np.testing.assert_array_equal(small.joints[..., 3], 1)
    assert (small.pictures[..., :3] <= small.pictures[..., 3:]).all()  # still premultiplied
    with pytest.raises(ValueError, match="render larger"):
        resized(small, 32)


def test_episodes_that_cannot_be_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least one shot"):
        EpisodeConfig(shots=0)
    with pytest.raises(ValueError, match="no support 'all'"):
        EpisodeConfig(support="all")
    with pytest.raises(ValueError, match="no source 'back'"):
        EpisodeConfig(source="back")
    with pytest.raises(ValueError, match="1 to 4 drawings in an episode, found 5"):
        EpisodeConfig(support="random", drawings=5)
    with pytest.raises(ValueError, match="shifts are of one drawing, found 2"):
        EpisodeConfig(support="mixed", drawings=2)
    with pytest.raises(ValueError, match="there are 4 basic views"):
        draw_episode(CHARACTER, EpisodeConfig(shots=5), rng)
    with pytest.raises(ValueError, match="has 4 pictures; an episode of 4 shots needs at least 5"):
        draw_episode(CHARACTER[:4], EpisodeConfig(), rng)
