"""Image data sets in memory: loading by name or path, and splitting without touching the test part."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fracdse.design import ImageFormat
from fracdse.errors import DataError, nearest

Split = Literal["train", "test"]
NAMED_DATASETS = ("digits", "cifar10", "imagenet")
_DIGITS_TEST_SHARE = 0.2
_DIGITS_SPLIT_SEED = 0


@dataclass(frozen=True)
class Dataset:
    """Labelled images: images (N, H, W, colours) uint8, labels (N,) int64, one name a class."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_format(self) -> ImageFormat:
        """What a network for this data set reads."""
        _, height, width, colours = self.images.shape
        return ImageFormat(height, width, colours, len(self.classes))

    def take(self, index: NDArray[np.int64]) -> Dataset:
        """Return the images of `index`, in that order."""
        return replace(self, images=self.images[index], labels=self.labels[index])


def load_dataset(name_or_path: str | Path, split: Split = "train") -> Dataset:
    """Load one split of a data set into memory.

    `digits` is scikit-learn's set of handwritten digits (8×8, grey). Any other name is looked up below the folder that
    the environment variable FRACDSE_DATA names, else below ./data. A path may hold CIFAR-10 in its binary or pickled
    form, Parquet files with an image and a label column, or one folder of images a class.

    Raises:
        DataError: The data is missing, damaged, of mixed sizes, or has fewer than two classes.
    """
    dataset = _digits(split) if str(name_or_path) == "digits" else _load_folder(_locate(name_or_path), split)
    return _checked(dataset, f"data '{name_or_path}' ({split})")


def train_validation_split(dataset: Dataset, validation_share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split a training set class by class into what is trained on and what designs are chosen by.

    Raises:
        DataError: A part would have no image.
    """
    rest, held_out = _stratified(dataset.labels, validation_share, seed)
    if not len(rest) or not len(held_out):
        raise DataError(f"a validation share of {validation_share:g} of {len(dataset)} images leaves a part empty")
    return dataset.take(rest), dataset.take(held_out)


def subsample(dataset: Dataset, samples: int, seed: int) -> Dataset:
    """Return at most `samples` images, classes in proportion; all of them where `samples` is 0."""
    if samples <= 0 or samples >= len(dataset):
        return dataset
    _, kept = _stratified(dataset.labels, samples / len(dataset), seed)
    return dataset.take(kept)


def check_format(want: ImageFormat, dataset: Dataset) -> None:
    """Raise DataError if a data set's images or classes are not what a network reads."""
    have = dataset.image_format
    if want != have:
        raise DataError(
            f"the data has {have.height}×{have.width}×{have.colours} images in {have.classes} classes; the network "
            f"reads {want.height}×{want.width}×{want.colours} in {want.classes}"
        )


def _stratified(labels: NDArray[np.int64], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return shuffled indices of the rest and of `share` of every class, to the nearest image in total."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    # Evenly spaced picks along the class-sorted order take the same share of every class.
    count = round(share * len(labels))
    picks = ((np.arange(count) + 0.5) * len(labels) / max(count, 1)).astype(np.int64)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    chosen[by_class[picks]] = True
    return order[~chosen[order]], order[chosen[order]]


def _digits(split: Split) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    whole = Dataset(images, bunch.target.astype(np.int64), tuple(str(name) for name in bunch.target_names))
    train, test = _stratified(whole.labels, _DIGITS_TEST_SHARE, _DIGITS_SPLIT_SEED)
    return whole.take(train if split == "train" else test)


def _locate(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.exists():
        return path
    if path.name == str(name_or_path):
        named = Path(os.environ.get("FRACDSE_DATA", "data")) / path
        if named.exists():
            return named
    raise DataError(
        f"no data set '{name_or_path}'{nearest(str(name_or_path), NAMED_DATASETS)}",
        hint="Give a folder with --data, or put named data sets below the folder that FRACDSE_DATA names.",
    )


def _load_folder(path: Path, split: Split) -> Dataset:
    from fracdse.training import cifar10_files, image_folder, parquet_images

    for reader in (cifar10_files, parquet_images, image_folder):
        if reader.recognises(path):
            dataset: Dataset = reader.load(path, split)
            return dataset
    raise DataError(
        f"{path} holds no data set that fracdse can read",
        hint="It reads CIFAR-10 (binary or Python version), Parquet with 'img' and 'label', and folders of images.",
    )


def _checked(dataset: Dataset, what: str) -> Dataset:
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    if len(dataset.classes) < 2:
        raise DataError(f"{what}: {len(dataset.classes)} class; at least two are needed")
    if len(counts) > len(dataset.classes) or (dataset.labels < 0).any():
        raise DataError(f"{what}: label {int(dataset.labels.max())} has no class among {len(dataset.classes)}")
    if (counts == 0).any():
        raise DataError(f"{what}: class '{dataset.classes[int(counts.argmin())]}' has no image")
    return dataset
