import numpy as np
import torch
from training_cases import blobs

from fracdse.training.batches import Batches


def made(batches, number):
    return [batches.make(draw) for draw in batches.epoch(number)]


def test_epochs_are_shuffled_differently_and_repeatable():
    dataset = blobs()
    epochs = [torch.cat([labels for _, labels in made(Batches(dataset, 32, "none", 5), n)]) for n in (0, 1, 0)]
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])


def test_without_augmentation_every_image_is_seen_once():
    dataset = blobs()
    images = torch.cat([images for images, _ in made(Batches(dataset, 32, "none", 0), 0)])
    seen = sorted(image.permute(1, 2, 0).numpy().tobytes() for image in images)
    assert seen == sorted(image.tobytes() for image in dataset.images)


def test_crops_and_flips_are_windows_of_the_padded_image():
    dataset = blobs(count=8, size=16, colours=3, classes=2)
    batches = Batches(dataset, 8, "auto", 0)
    padded = np.pad(dataset.images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = {
        window.tobytes(): (index, flip)
        for index in range(8)
        for row in range(5)
        for column in range(5)
        for flip, window in enumerate(both_ways(padded[index, row : row + 16, column : column + 16]))
    }
    flips = set()
    for epoch in range(4):
        for images, labels in made(batches, epoch):
            for image, label in zip(images, labels, strict=True):
                index, flip = windows[image.permute(1, 2, 0).contiguous().numpy().tobytes()]
                assert dataset.labels[index] == label
                flips.add(flip)
    assert flips == {0, 1}


def both_ways(window):
    return np.ascontiguousarray(window), np.ascontiguousarray(window[:, ::-1])


def test_digits_are_neither_flipped_nor_moved():
    dataset = blobs()
    ((images, _),) = made(Batches(dataset, 96, "auto", 0), 0)
    known = {image.tobytes() for image in dataset.images}
    assert {image.permute(1, 2, 0).contiguous().numpy().tobytes() for image in images} <= known
