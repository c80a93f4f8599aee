"""Teachers are trained once for all proxies that can share one, whoever needs them, and do not fill the disk."""

import threading
from dataclasses import replace

import pytest
from training_cases import blobs, small_design

from fracdse.errors import DataError
from fracdse.training import proxy_recipe, teacher, teacher_cache, train_proxy
from fracdse.training.run import TrainingRun
from fracdse.training.teacher_cache import keep_teacher, teacher_place

RECIPE = {
    "epochs": 4, "rungs": [2], "batch_size": 16, "logit_weight": 1.0, "label_weight": 0.5, "teacher_epochs": 2,
}  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Count the teachers that are trained."""
    found = []

    def counted(*args, **options):
        found.append(args[0])
        return TrainingRun(*args, **options)

    monkeypatch.setattr(teacher, "TrainingRun", counted)
    return found


def files(folder):
    return sorted(folder.glob("*.pt"))


def test_rungs_and_like_designs_share_a_teacher_and_learn_the_same_as_without(tmp_path, trained):
    dataset, recipe = blobs(), proxy_recipe(RECIPE)
    design = small_design(dataset, si_width=2)
    options = {"checkpoint": tmp_path / "trial.pt", "teacher_cache": tmp_path / "teachers"}
    train_proxy(design, dataset, recipe, 3, until_epoch=2, **options)
    ended = train_proxy(design, dataset, recipe, 3, **options)
    assert len(trained) == 1
    wider = replace(design, network=replace(design.network, si_width=4))
    train_proxy(wider, dataset, recipe, 5, teacher_cache=options["teacher_cache"])
    assert len(trained) == 1
    alone = train_proxy(design, dataset, recipe, 3)
    assert len(trained) == 2
    assert (ended.accuracy, ended.gates) == (alone.accuracy, alone.gates)
    assert [record.loss for record in ended.history] == [record.loss for record in alone.history]


def test_only_the_number_of_its_own_epochs_names_a_teacher(tmp_path, trained):
    dataset, design = blobs(), small_design()
    for settings in (
        {"epochs": 1, "teacher_epochs": 2},
        {"epochs": 2, "teacher_epochs": 2},
        {"epochs": 2},
        {"epochs": 1, "real_epochs": 1},
    ):
        recipe = proxy_recipe({"batch_size": 16, "logit_weight": 1.0, **settings})
        train_proxy(design, dataset, recipe, 3, teacher_cache=tmp_path)
    assert len(trained) == len(files(tmp_path)) == 1


def test_a_design_of_another_body_has_a_teacher_of_its_own(tmp_path, trained):
    dataset, recipe = blobs(), proxy_recipe(RECIPE)
    for width in (4, 8):
        train_proxy(small_design(dataset, width=width), dataset, recipe, 3, teacher_cache=tmp_path)
    assert len(trained) == len(files(tmp_path)) == 2


def test_who_needs_a_teacher_at_the_same_time_waits_for_it(tmp_path, trained):
    dataset, recipe = blobs(), proxy_recipe(RECIPE)
    design = small_design(dataset)
    crew = [
        threading.Thread(target=train_proxy, args=(design, dataset, recipe, seed), kwargs={"teacher_cache": tmp_path})
        for seed in range(3)
    ]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    assert len(trained) == len(files(tmp_path)) == 1


@pytest.mark.parametrize("content", [b"", b"not tensors", None])
def test_a_damaged_teacher_is_trained_again(tmp_path, trained, content):
    dataset, recipe = blobs(), proxy_recipe(RECIPE)
    design = small_design(dataset)
    first = train_proxy(design, dataset, recipe, 3, teacher_cache=tmp_path)
    (file,) = files(tmp_path)
    sound = file.read_bytes()
    file.write_bytes(sound[: len(sound) // 2] if content is None else content)
    again = train_proxy(design, dataset, recipe, 3, teacher_cache=tmp_path)
    assert len(trained) == 2
    assert again.accuracy == first.accuracy
    assert len(file.read_bytes()) == len(sound)


def test_a_killed_training_lets_the_next_one_in(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise DataError("killed")

    dataset, recipe = blobs(), proxy_recipe(RECIPE)
    design = small_design(dataset)
    with monkeypatch.context() as patched:
        patched.setattr(teacher, "TrainingRun", killed)
        with pytest.raises(DataError, match="killed"):
            train_proxy(design, dataset, recipe, 3, teacher_cache=tmp_path)
    assert files(tmp_path) == []
    train_proxy(design, dataset, recipe, 3, teacher_cache=tmp_path)
    assert len(files(tmp_path)) == 1


def test_the_teachers_used_longest_ago_are_dropped(tmp_path, monkeypatch):
    dataset = blobs()
    network = train_proxy(small_design(dataset), dataset, proxy_recipe({"epochs": 1}), 0).network
    places = []
    for name in ("a", "b", "c"):
        with teacher_place(tmp_path, name) as place:
            keep_teacher(place, network)
        places.append(place)
    size = places[0].stat().st_size
    monkeypatch.setattr(teacher_cache, "LARGEST_CACHE_BYTES", 2 * size)
    teacher_cache.note_use(places[0])
    with teacher_place(tmp_path, "d") as place:
        keep_teacher(place, network)
    assert files(tmp_path) == [places[0], place]
    monkeypatch.setattr(teacher_cache, "LARGEST_CACHE_BYTES", 1)
    with teacher_place(tmp_path, "e") as place:
        keep_teacher(place, network)
    assert files(tmp_path) == [place], "the one that is needed now stays in any case"
