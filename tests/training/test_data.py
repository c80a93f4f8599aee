"""Loading and splitting of data sets, and what happens to damaged ones."""

import contextlib
import io
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fracdse.design import ImageFormat
from fracdse.errors import DataError
from fracdse.training.data import Dataset, load_dataset, subsample, train_validation_split
from fracdse.training.decoding import decode


def random_images(count: int, size: int = 32, colours: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, colours), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "PNG")
    return buffer.getvalue()


def write_binary(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    for part, name in enumerate(("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")):
        records = np.concatenate([labels[part::5, None].astype(np.uint8), planes[part::5]], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / "test_batch.bin").write_bytes(
        np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1).tobytes()
    )


def write_pickles(folder: Path, images: np.ndarray, labels: np.ndarray, protocol: int) -> None:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        content = {b"batch_label": b"x", b"labels": labels.tolist(), b"data": planes, b"filenames": [b"a.png"]}
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))


def test_digits_split_is_fixed_and_stratified() -> None:
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    assert train.image_format == ImageFormat(8, 8, 1, 10)
    assert (len(train), len(test)) == (1438, 359)
    assert train.images.max() == 255
    assert np.ptp(np.bincount(test.labels)) <= 3
    seen = {image.tobytes() for image in train.images}
    assert sum(image.tobytes() in seen for image in test.images) == 0


def test_cifar10_binary_version(tmp_path: Path) -> None:
    images, labels = random_images(20), np.arange(20) % 10
    write_binary(tmp_path, images, labels)
    test = load_dataset(tmp_path, "test")
    assert (test.images == images).all()
    assert test.labels.tolist() == labels.tolist()
    assert test.classes[9] == "truck"


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar10_python_version(tmp_path: Path, protocol: int) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images, labels = random_images(10), np.arange(10)
    write_pickles(folder, images, labels, protocol)
    assert (load_dataset(tmp_path, "test").images == images).all()
    assert len(load_dataset(tmp_path, "train")) == 50


@pytest.mark.parametrize("mode", ["I", "I;16", "F"])
def test_images_of_more_than_eight_bits_are_refused(mode: str) -> None:
    buffer = io.BytesIO()
    kind = {"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]
    Image.fromarray(np.full((8, 8), 300, kind)).save(buffer, "TIFF")
    with pytest.raises(DataError, match=r"deep\.tif: its grey values have more than 8 bits"):
        decode("deep.tif", buffer.getvalue())


def test_damaged_images_are_refused() -> None:
    buffer = io.BytesIO()
    Image.fromarray(random_images(1, 16)[0]).save(buffer, "TIFF")
    generator = np.random.default_rng(1)
    for _ in range(1000):
        mutant = np.frombuffer(buffer.getvalue(), np.uint8).copy()
        places = generator.integers(0, len(mutant), generator.choice([1, 2, 5, 20]))
        mutant[np.where(generator.random(len(places)) < 0.7, -1 - places % 300, places)] = generator.integers(
            0, 256, len(places)
        )
        with contextlib.suppress(DataError):
            decode("mutant.tif", mutant.tobytes())


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    write_pickles(tmp_path, random_images(10), np.arange(10), 2)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": Hostile(trace), b"labels": [0]}))
    with pytest.raises(DataError, match="only NumPy arrays are admitted"):
        load_dataset(tmp_path, "test")
    assert not trace.exists()


def test_a_pickle_with_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    content = {b"data": np.array([None], dtype=object), b"labels": [0]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DataError, match="only numbers are admitted"):
        load_dataset(tmp_path, "test")


@given(cut=st.integers(0, 400))
def test_a_truncated_pickle_is_an_error_of_ours(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = pickle.dumps({b"labels": [1], b"data": np.zeros((1, 3072), np.uint8)}, protocol=2)
    (folder / "test_batch").write_bytes(whole[:cut])
    with pytest.raises(DataError):
        load_dataset(folder, "test")


def test_a_binary_batch_of_odd_length(tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(b"\0" * 3072)
    with pytest.raises(DataError, match="whole number of 3073-byte records"):
        load_dataset(tmp_path, "test")


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    write_binary(tmp_path, random_images(20), np.arange(20) % 10)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_3\.bin is missing"):
        load_dataset(tmp_path, "train")


def write_parquet(path: Path, images: list[bytes], labels: list[int]) -> None:
    rows = [{"bytes": image, "path": None} for image in images]
    pq.write_table(pa.table({"img": rows, "label": labels}), path)


def test_parquet(tmp_path: Path) -> None:
    images = random_images(4)
    write_parquet(tmp_path / "train-00000-of-00001.parquet", [png(image) for image in images], [0, 1, 2, 1])
    train = load_dataset(tmp_path, "train")
    assert (train.images == images).all()
    assert train.labels.tolist() == [0, 1, 2, 1]
    with pytest.raises(DataError, match="name begins with 'test'"):
        load_dataset(tmp_path, "test")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ([b"no image", b"x"], [0, 1], "row 0: not a readable image"),
        ([png(random_images(1)[0])] * 2, [0, 2], "class '1' has no image"),
        ([png(random_images(1)[0])] * 2, [0, -1], "row 1 has the label -1"),
        ([png(random_images(1)[0]), png(random_images(1, 16)[0])], [0, 1], "mixed sizes"),
        ([png(random_images(1)[0])], [0], "at least two are needed"),
    ],
)
def test_bad_parquet_rows(tmp_path: Path, images: list[bytes], labels: list[int], message: str) -> None:
    write_parquet(tmp_path / "train.parquet", images, labels)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, "train")


def test_a_damaged_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load_dataset(tmp_path, "train")


def write_folders(root: Path, counts: dict[str, int], size: int = 8) -> None:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number, image in enumerate(random_images(count, size)):
            (root / name / f"{number:03}.png").write_bytes(png(image))


def test_class_folders_without_a_test_folder_keep_every_fifth_image_for_testing(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 10, "dog": 5})
    train, test = load_dataset(tmp_path, "train"), load_dataset(tmp_path, "test")
    assert (train.classes, len(train), len(test)) == (("cat", "dog"), 12, 3)


def test_class_folders_with_train_and_test(tmp_path: Path) -> None:
    write_folders(tmp_path / "train", {"a": 3, "b": 2})
    write_folders(tmp_path / "val", {"a": 1, "b": 1})
    assert (len(load_dataset(tmp_path, "train")), len(load_dataset(tmp_path, "test"))) == (5, 2)


def test_a_class_that_is_in_the_test_folder_only(tmp_path: Path) -> None:
    write_folders(tmp_path / "train", {"cat": 3, "owl": 2})
    write_folders(tmp_path / "test", {"cat": 1, "owl": 1, "Owl": 1})
    assert len(load_dataset(tmp_path, "train")) == 5
    with pytest.raises(DataError, match=r"test has the class 'Owl', which .*train has not"):
        load_dataset(tmp_path, "test")


def test_a_class_folder_without_an_image(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 10, "dog": 5, "owl": 0})
    with pytest.raises(DataError, match=r"class 'owl' of .* has no image"):
        load_dataset(tmp_path)


def test_images_of_mixed_sizes_are_named(tmp_path: Path) -> None:
    write_folders(tmp_path, {"cat": 6, "dog": 6})
    (tmp_path / "dog" / "000.png").write_bytes(png(random_images(1, 9)[0]))
    with pytest.raises(DataError, match=r"mixed sizes: .*cat/000.png has 8×8, .*dog/000.png has 9×9"):
        load_dataset(tmp_path)


def test_a_folder_of_nothing_and_a_name_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no data set"):
        load_dataset(tmp_path)
    with pytest.raises(DataError, match="did you mean 'digits'"):
        load_dataset("digts")


def test_named_data_are_found_below_the_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folders(tmp_path / "pets", {"cat": 6, "dog": 6})
    monkeypatch.setenv("FRACDSE_DATA", str(tmp_path))
    assert load_dataset("pets").classes == ("cat", "dog")


@given(st.integers(2, 200), st.floats(0.05, 0.95), st.integers(0, 3))
def test_splits_share_nothing_and_lose_nothing(count: int, share: float, seed: int) -> None:
    images = np.arange(count, dtype=np.uint32).view(np.uint8).reshape(count, 2, 2, 1)
    dataset = Dataset(images, np.arange(count) % 2, ("even", "odd"))
    if not 0 < round(share * count) < count:
        with pytest.raises(DataError, match="leaves a part empty"):
            train_validation_split(dataset, share, seed)
        return
    train, validation = train_validation_split(dataset, share, seed)
    numbers = [part.images.reshape(-1).view(np.uint32).tolist() for part in (train, validation)]
    assert sorted(numbers[0] + numbers[1]) == list(range(count))
    assert len(validation) == round(share * count)
    assert abs(int((validation.labels == 0).sum()) - len(validation) / 2) <= 1


def test_subsample_keeps_the_classes_in_proportion() -> None:
    labels = np.repeat([0, 1], [300, 100])
    dataset = Dataset(np.zeros((400, 1, 1, 1), np.uint8), labels, ("a", "b"))
    assert np.bincount(subsample(dataset, 40, 0).labels).tolist() == [30, 10]
    assert len(subsample(dataset, 0, 0)) == 400


def test_shared_cifar10(shared: Path) -> None:
    test = load_dataset(shared / "data" / "cifar10", "test")
    assert test.images.shape == (10_000, 32, 32, 3)
    assert np.bincount(test.labels).tolist() == [1000] * 10
