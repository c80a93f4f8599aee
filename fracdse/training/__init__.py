"""Data, training loops, distillation and proxies.

The names below are imported when they are first used, so that reading a recipe does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fracdse.training.evaluation import Evaluation, evaluate
    from fracdse.training.full_training import TrainingResult, train
    from fracdse.training.proxy import ProxyResult, train_proxy
    from fracdse.training.recipe import Recipe, proxy_recipe

_HOMES = {
    "Evaluation": "evaluation",
    "ProxyResult": "proxy",
    "Recipe": "recipe",
    "TrainingResult": "full_training",
    "evaluate": "evaluation",
    "proxy_recipe": "recipe",
    "train": "full_training",
    "train_proxy": "proxy",
}

__all__ = [
    "Evaluation",
    "ProxyResult",
    "Recipe",
    "TrainingResult",
    "evaluate",
    "proxy_recipe",
    "train",
    "train_proxy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
