"""What a test needs that not every machine has; a skipped test says how to get it."""

import pytest

from engine import models

needs_pose_model = pytest.mark.skipif(
    not models.get("pose-full").path.is_file(),
    reason="the pose model is not in the cache: run `ayatsuri models`",
)
