"""Where to compute: a processor or a GPU."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch

from fracdse.errors import ConfigError, ToolNotFound

DeviceName = Literal["auto", "cpu", "cuda"]


def computing_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is what FRACDSE_TORCH_DEVICE names, else a GPU where PyTorch can use one.

    Raises:
        ConfigError: The name is unknown.
        ToolNotFound: A GPU is asked for and PyTorch finds none.
    """
    if name == "auto":
        name = os.environ.get("FRACDSE_TORCH_DEVICE", name)
    if name not in get_args(DeviceName):
        raise ConfigError(f"device = {name!r} is not one of {', '.join(map(repr, get_args(DeviceName)))}")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ToolNotFound(
            "device 'cuda': PyTorch finds no GPU",
            hint="Compute with --device cpu, or install a driver and a PyTorch build with CUDA.",
        )
    # Layers have few shapes and are computed a hundred thousand times: trying out convolutions once pays.
    torch.backends.cudnn.benchmark = True
    # Where a convolution is in float32 it has a reason, such as the rounding of the released network.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", torch.cuda.current_device())
