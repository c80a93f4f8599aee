"""Data, training loops, distillation and proxies."""

from fracdse.training.evaluation import Evaluation, evaluate
from fracdse.training.proxy import ProxyResult, train_proxy
from fracdse.training.recipe import Recipe, proxy_recipe
from fracdse.training.train import TrainingResult, train

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
