"""A data set, a design, recipes and a search space that train in a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fracdse.design import Design, NetworkChoices
from fracdse.training import Recipe
from fracdse.training.data import Dataset


def blobs(count=96, size=8, colours=1, classes=3, seed=0):
    """Images whose brightness tells their class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    level = (labels * 200 // (classes - 1))[:, None, None, None]
    images = np.clip(level + generator.integers(0, 56, (count, size, size, colours)), 0, 255).astype(np.uint8)
    return Dataset(images, labels.astype(np.int64), tuple("abcdefgh"[:classes]))


def small_design(dataset=None, **choices):
    defaults = {"depth": 8, "width": 4, "thermometer_resolution": 64}
    return Design((dataset or blobs()).image_format, NetworkChoices(**{**defaults, **choices}))


def short(**settings):
    defaults = {"epochs": 2, "real_epochs": 1, "batch_size": 32, "learning_rate": 5e-3, "validation": 0.25}
    return Recipe.from_dict({**defaults, **settings})


def write_space(folder: Path, **training: object) -> None:
    """Write `space.toml` of a small network on the digits, with these settings of its full training."""
    settings = {"batch_size": 64, **training}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (folder / "space.toml").write_text("\n".join([_SMALL_SPACE, *lines, ""]))


_SMALL_SPACE = """
name = "pair"
device = "ultra96v2"
[data]
name = "digits"
[objectives]
accuracy = "maximize"
[network]
body = "resnet"
depth = 8
width = 4
[training]
""".strip()
