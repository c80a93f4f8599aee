"""What every trial of a study needs: the space, the training set it learns from, and the results known already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fracdse.errors import ConfigError
from fracdse.search.cache import CACHE_FOLDER, ResultCache
from fracdse.space import SearchSpace
from fracdse.training.data import Dataset, load_dataset, subsample

_SAMPLES_SEED = 0


@dataclass(frozen=True)
class StudyData:
    """The training set of a study, which trials split into a training and a validation part; never a test set."""

    train: Dataset
    fingerprint: str


@dataclass(frozen=True)
class Problem:
    """Everything that an evaluation needs besides the design; `threads` is for each training."""

    space: SearchSpace
    data: StudyData
    cache: ResultCache
    threads: int | None = 1


def make_problem(space: SearchSpace, data: StudyData, threads: int | None = 1) -> Problem:
    """Put together what the trials of one process need."""
    return Problem(space, data, ResultCache(CACHE_FOLDER, data.fingerprint, space.proxy), threads)


def load_data(space: SearchSpace) -> StudyData:
    """Load the training set that the space names, or the part of it that `data.samples` asks for.

    Raises:
        DataError: The data is missing or damaged.
        ConfigError: The images are not of the format that the space states.
    """
    whole = load_dataset(space.data.name, "train")
    if space.image is not None and space.image != whole.image_format:
        raise ConfigError(
            f"the images of '{space.data.name}' are {whole.image_format}, but the space is for {space.image}",
            hint="Correct data.image and data.classes, or leave them out to take them from the data.",
        )
    used = subsample(whole, space.data.samples, _SAMPLES_SEED)
    digest = hashlib.blake2b(repr(used.images.shape).encode(), digest_size=16)
    digest.update(used.images.data)
    digest.update(used.labels.data)
    return StudyData(used, digest.hexdigest())
