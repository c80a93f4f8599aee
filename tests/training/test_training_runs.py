import csv
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import blobs, short, small_design

from fracdse.errors import DataError, TrainingError
from fracdse.network import build_network, load_network, save_network
from fracdse.network.tensor_file import load_tensors, save_tensors
from fracdse.training import evaluate, proxy_recipe, train, train_proxy
from fracdse.training.checkpoint import load_checkpoint, run_name, save_checkpoint
from fracdse.training.phases import phases_of, teacher_phases
from fracdse.training.run import TrainingRun
from fracdse.training.teacher import teacher_for


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_training_learns_and_leaves_its_files(tmp_path):
    dataset = blobs(count=240)
    seen = []
    result = train(
        small_design(dataset), dataset, blobs(seed=1), short(epochs=6), folder=tmp_path, progress=seen.append
    )
    assert result.accuracy > 0.9
    assert [record.phase for record in seen] == ["real weights"] + ["binary weights"] * 6
    assert tuple(seen) == result.history
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [record.loss for record in result.history]
    assert (tmp_path / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    assert same_weights(load_network(tmp_path), result.network)


def test_one_seed_gives_one_network():
    dataset = blobs()
    first, again, other = (
        train(small_design(dataset), dataset, dataset, short(), seed=seed).network for seed in (1, 1, 2)
    )
    assert same_weights(first, again)
    assert not same_weights(first, other)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[2])
from training_cases import blobs, short, small_design
from fracdse.training import train
torch.set_num_threads(1)
records = []
def stop(record):
    records.append(record)
    if len(records) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
dataset = blobs()
train(small_design(dataset), dataset, dataset, short(epochs=4), folder=Path(sys.argv[1]), progress=stop)
"""


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(tmp_path):
    dataset = blobs()
    design, recipe = small_design(dataset), short(epochs=4)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)], check=False, env=dict(os.environ)
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "checkpoint.pt").is_file()
    seen = []
    resumed = train(design, dataset, dataset, recipe, folder=tmp_path, resume=True, progress=seen.append)
    assert len(seen) == 2
    assert len(resumed.history) == 5
    assert same_weights(resumed.network, train(design, dataset, dataset, recipe).network)


def test_resuming_a_finished_run_trains_nothing(tmp_path):
    dataset = blobs()
    design = small_design(dataset)
    first = train(design, dataset, dataset, short(), folder=tmp_path)
    seen = []
    again = train(design, dataset, dataset, short(), folder=tmp_path, resume=True, progress=seen.append)
    assert seen == []
    assert same_weights(first.network, again.network)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    dataset = blobs()
    train(small_design(dataset), dataset, dataset, short(), folder=tmp_path)
    with pytest.raises(TrainingError, match="another run"):
        train(small_design(dataset), dataset, dataset, short(epochs=3), folder=tmp_path, resume=True)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    dataset = blobs()
    (tmp_path / "checkpoint.pt").write_bytes(damage)
    with pytest.raises(DataError, match=r"checkpoint\.pt"):
        train(small_design(dataset), dataset, dataset, short(), folder=tmp_path, resume=True)


@pytest.fixture(scope="module")
def half_way(tmp_path_factory):
    """A run's checkpoint after two of its three epochs, in the middle of its second step."""
    dataset, recipe, folder = blobs(), short(), tmp_path_factory.mktemp("half")
    design = small_design(dataset)
    run = TrainingRun(design, dataset, recipe, phases_of(recipe), 0, run_name(design, recipe, dataset, 0))
    run.train_epoch(None)
    run.train_epoch(None)
    save_checkpoint(folder / "checkpoint.pt", run.state())
    return load_tensors(folder / "checkpoint.pt")


def adam(values, **changes):
    """The checkpoint with another entry of the first parameter in its optimiser."""
    state = values["optimiser"]["state"]
    return {"optimiser": {"state": {**state, 0: {**state[0], **changes}}}}


SPOILT = {
    "phase too large": lambda values: {"phase": 3},
    "phase below 0": lambda values: {"phase": -1},
    "epoch too large": lambda values: {"epoch": 2},
    "a fraction of an epoch": lambda values: {"epoch": 0.5},
    "history too short": lambda values: {"history": values["history"][:1]},
    "history of text": lambda values: {"history": [{**record, "loss": "a"} for record in values["history"]]},
    "no optimiser": lambda values: {"optimiser": {}},
    "optimiser of something else": lambda values: {"optimiser": {"state": 5}},
    "unknown parameter": lambda values: {"optimiser": {"state": {999: values["optimiser"]["state"][0]}}},
    "named parameter": lambda values: {"optimiser": {"state": {"a": values["optimiser"]["state"][0]}}},
    "another table": lambda values: {"optimiser": {"state": {0: {"step": torch.zeros(())}}}},
    "small moments": lambda values: adam(values, exp_avg=torch.zeros(3), exp_avg_sq=torch.zeros(3)),
    "moments of another type": lambda values: adam(values, exp_avg=values["optimiser"]["state"][0]["exp_avg"].double()),
    "moments of no tensor": lambda values: adam(values, exp_avg_sq=3),
    "a step of many numbers": lambda values: adam(values, step=torch.ones(3)),
    "a network with a meta tensor": lambda values: {
        "network": {**values["network"], "classifier.bias": torch.empty(3, device="meta")}
    },
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_spoilt_checkpoint_is_refused(tmp_path, half_way, kind):
    dataset = blobs()
    save_tensors(tmp_path / "checkpoint.pt", {**half_way, **SPOILT[kind](half_way)})
    with pytest.raises(DataError, match=r"checkpoint\.pt"):
        train(small_design(dataset), dataset, dataset, short(), folder=tmp_path, resume=True)


def test_moments_that_share_memory_are_copied(tmp_path, half_way):
    dataset = blobs()
    first = half_way["optimiser"]["state"][0]["exp_avg"]
    spread = torch.zeros(1).expand(first.shape)
    save_tensors(tmp_path / "checkpoint.pt", {**half_way, **adam(half_way, exp_avg=spread)})
    result = train(small_design(dataset), dataset, dataset, short(), folder=tmp_path, resume=True)
    assert len(result.history) == 3


def test_not_a_number_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    dataset = blobs()
    design = small_design(dataset)

    recipe = short(epochs=3)
    run = TrainingRun(design, dataset, recipe, phases_of(recipe), 0, run_name(design, recipe, dataset, 0))
    run.train_epoch(dataset)
    save_checkpoint(tmp_path / "checkpoint.pt", run.state())
    with torch.no_grad():
        run.network.classifier.weight.fill_(torch.nan)
    with pytest.raises(TrainingError, match="loss is nan in step 'binary weights', epoch 1, batch 1 of 3") as caught:
        run.train_epoch(dataset)
    assert "checkpoint" not in caught.value.hint, "nobody said that there is one"
    run = TrainingRun(design, dataset, recipe, phases_of(recipe), 0, run.name)
    run.restore(load_checkpoint(tmp_path / "checkpoint.pt", run.name), tmp_path / "checkpoint.pt")
    with torch.no_grad():
        run.network.classifier.weight.fill_(torch.nan)
    with pytest.raises(TrainingError) as caught:
        run.train_epoch(dataset)
    assert "the checkpoint of the epoch before is kept" in caught.value.hint


def test_an_epoch_whose_last_batch_ruins_the_network_is_not_kept(tmp_path, monkeypatch):
    dataset, recipe = blobs(), short(epochs=2, real_epochs=0)
    design = small_design(dataset)
    step = TrainingRun._step

    def ruined_in_the_second_epoch(run, draw, stage):
        step(run, draw, stage)
        if len(run.history) == 1:
            with torch.no_grad():
                run.network.classifier.weight[0, 0] = torch.nan if run._totals._counts[2] == 3 else 0

    monkeypatch.setattr(TrainingRun, "_step", ruined_in_the_second_epoch)
    with pytest.raises(TrainingError, match="not finite numbers after step 'binary weights', epoch 2") as caught:
        train(design, dataset, dataset, recipe, folder=tmp_path)
    assert "the checkpoint of the epoch before is kept" in caught.value.hint
    kept = load_checkpoint(tmp_path / "checkpoint.pt", run_name(design, recipe, dataset, 0))
    assert kept.epoch == 1
    assert all(torch.isfinite(value).all() for value in kept.network.values() if value.is_floating_point())


def test_proxy_measures_on_images_it_did_not_learn_from():
    dataset = blobs(count=240)
    result = train_proxy(small_design(dataset), dataset, proxy_recipe({"epochs": 6, "batch_size": 32}), 0)
    assert result.accuracy > 0.8
    assert result.gates.images == round(0.2 * 240)
    assert result.epochs == 6


def test_proxy_goes_on_from_a_rung(tmp_path):
    dataset = blobs()
    design, recipe = small_design(dataset), proxy_recipe({"epochs": 4, "rungs": [2], "batch_size": 16})
    file = tmp_path / "deep" / "trial.pt"
    rung = train_proxy(design, dataset, recipe, 3, until_epoch=2, checkpoint=file)
    assert rung.epochs == 2
    seen = []
    ended = train_proxy(design, dataset, recipe, 3, checkpoint=file, progress=seen.append)
    assert len(seen) == 2
    whole = train_proxy(design, dataset, recipe, 3)
    assert same_weights(ended.network, whole.network)
    assert ended.gates == whole.gates


@pytest.mark.parametrize(
    "settings",
    [
        {"block_loss": "l2"},
        {"block_loss": "attention", "distillation_order": "stage-wise"},
        {"logit_weight": 1.0, "label_weight": 0.0},
        {"distributional": True},
    ],
    ids=str,
)
def test_distillation_from_the_float_twin(settings, tmp_path):
    dataset = blobs()
    design = small_design(dataset, si_width=2)
    recipe = short(teacher_epochs=2, **settings)
    seen = []
    result = train(design, dataset, dataset, recipe, folder=tmp_path, progress=seen.append)
    assert [record.phase for record in seen][:2] == ["teacher"] * 2
    assert np.isfinite(result.history[-1].loss)
    assert len(list((tmp_path / "teachers").glob("*.pt"))) == 1
    seen.clear()
    train(
        replace(design, network=replace(design.network, si_width=4)),
        dataset,
        dataset,
        recipe,
        folder=tmp_path,
        progress=seen.append,
    )
    assert "teacher" not in {record.phase for record in seen}


def test_a_given_float_twin_teaches_as_it_was_trained(tmp_path):
    dataset, recipe = blobs(count=240), short(epochs=6, block_loss="l2", teacher=str(tmp_path))
    design = small_design(dataset)
    run = TrainingRun(design, dataset, recipe, teacher_phases(recipe), 0, "0" * 16)
    while not run.done:
        run.train_epoch(None)
    save_network(tmp_path, run.network)
    given = teacher_for(design, dataset, recipe, 0, None, None, torch.device("cpu"))
    assert given.precision == "float"
    found, want = evaluate(given, dataset), evaluate(run.network, dataset)
    assert np.array_equal(found.logits, want.logits)
    assert found.accuracy == want.accuracy > 0.9


def test_a_run_is_named_by_what_its_teacher_computes(tmp_path, monkeypatch):
    dataset, network = blobs(), build_network(small_design())
    for folder in ("one", "two", "other"):
        if folder == "other":
            network.precision = "float"
        save_network(tmp_path / folder, network, {"kept in": folder})
    monkeypatch.chdir(tmp_path)

    def name(teacher, **settings):
        recipe = short(**{"logit_weight": 1.0, "teacher": teacher, **settings})
        return run_name(small_design(), recipe, dataset, 0)

    assert name("one") == name("./one") == name("two")
    assert name("other") != name("one")
    assert name("nowhere", logit_weight=0.0) == name("", logit_weight=0.0), "nothing asks for a teacher"


def test_a_checkpoint_of_another_run_is_refused_before_a_teacher_is_trained(tmp_path):
    dataset = blobs()
    train(small_design(dataset), dataset, dataset, short(), folder=tmp_path)
    with pytest.raises(TrainingError, match="another run"):
        train(small_design(dataset), dataset, dataset, short(logit_weight=1.0), folder=tmp_path, resume=True)
    assert not (tmp_path / "teachers").exists()


def test_a_given_teacher_must_have_the_same_blocks(tmp_path):
    dataset = blobs()
    save_network(tmp_path, build_network(small_design(dataset, width=8)))
    recipe = short(block_loss="l2", teacher=str(tmp_path))
    with pytest.raises(DataError, match="teacher in"):
        train(small_design(dataset), dataset, dataset, recipe)
    train(small_design(dataset, width=8), dataset, dataset, recipe)


def test_a_given_teacher_of_another_body_teaches_without_labels(tmp_path):
    dataset = blobs(count=240)
    train(small_design(dataset, width=8, depth=14), dataset, dataset, short(epochs=6), folder=tmp_path / "teacher")
    wrong = replace(dataset, labels=(dataset.labels + 1) % 3)  # what the labels say must not matter
    recipe = short(epochs=6, logit_weight=1.0, label_weight=0.0, teacher=str(tmp_path / "teacher"))
    assert train(small_design(dataset), wrong, dataset, recipe).accuracy > 0.8


def test_logits_that_are_not_numbers_are_no_accuracy():
    dataset = blobs()
    network = build_network(small_design(dataset))
    with torch.no_grad():
        network.classifier.bias[1] = torch.inf
    with pytest.raises(TrainingError, match="logits are not finite numbers for 96 of 96 images"):
        evaluate(network, dataset)


def test_data_of_another_format():
    with pytest.raises(DataError, match="the network reads 8×8×1 in 3"):
        train(small_design(), blobs(size=16), blobs(size=16), short())


def test_networks_without_batch_norms_train():
    dataset = blobs(count=240)
    result = train(small_design(dataset, batch_norm=False), dataset, dataset, short(epochs=6))
    assert result.accuracy > 0.6
