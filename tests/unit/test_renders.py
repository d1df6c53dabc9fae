"""Renders of the default character that a training keeps: reused as long as they are whole."""

from pathlib import Path

import numpy as np
import pytest

from training.data import render_poses


def test_renders_that_were_broken_off_are_not_taken_for_the_old_ones(tmp_path: Path) -> None:
    before = np.array(render_poses(tmp_path, 2, size=32, workers=1).pictures)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_poses(tmp_path, 2, size=32, seed=1, workers=1, on_progress=stop)
    again = render_poses(tmp_path, 2, size=32, workers=1)
    np.testing.assert_array_equal(again.pictures, before)


def test_the_same_renders_are_used_again(tmp_path: Path) -> None:
    render_poses(tmp_path, 2, size=32, workers=1)
    drawn: list[int] = []
    render_poses(tmp_path, 2, size=32, workers=1, on_progress=drawn.append)
    assert not drawn
    render_poses(tmp_path, 3, size=32, workers=1, on_progress=drawn.append)
    assert drawn == [3]
