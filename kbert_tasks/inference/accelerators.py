"""Looks for accelerators without importing TensorFlow."""

import os
from pathlib import Path

DEVICES = Path("/dev")
# Nvidia, AMD, Windows Subsystem for Linux, TPU.
PATTERNS = ("nvidia[0-9]*", "kfd", "dxg", "accel[0-9]*")
HIDDEN = ("", "-1")  # values of CUDA_VISIBLE_DEVICES that hide all GPUs


def has_accelerator() -> bool:
    """Returns whether this machine has a GPU or TPU that TensorFlow may use.

    Only Linux is checked, because the current versions of TensorFlow use no GPU on other systems.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in HIDDEN:
        return False
    return any(True for pattern in PATTERNS for _ in DEVICES.glob(pattern))
