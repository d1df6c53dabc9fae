"""What a test needs that not every machine has; a skipped test says how to get it."""

from importlib.util import find_spec

import pytest

from engine import models

needs_pose_model = pytest.mark.skipif(
    not models.get("pose-full").path.is_file(),
    reason="the pose model is not in the cache: run `ayatsuri models`",
)

# Looked for and not imported: only the engine knows how to import it quietly.
needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None,
    reason="OpenVINO is an extra: pip install -c constraints.txt -e '.[openvino]'",
)

needs_tensorrt_rtx = pytest.mark.skipif(
    find_spec("tensorrt_rtx") is None,
    reason="TensorRT for RTX is an extra: pip install -c constraints.txt -e '.[rtx]'",
)
