import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fracdse.cli.evaluate import command as evaluate_command
from fracdse.cli.import_ import command as import_command
from fracdse.cli.train import command as train_command
from fracdse.design import Design, ImageFormat
from fracdse.errors import ConfigError, DataError

DESIGN = """
name = "tiny"
[data]
name = "digits"
[network]
depth = 8
width = 4
thermometer_resolution = 64
si_width = 4
[training]
epochs = 2
real_epochs = 1
learning_rate = 0.01
"""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    (folder / "tiny.toml").write_text(DESIGN)
    arguments = [str(folder / "tiny.toml"), "--out", str(folder / "out"), "--threads", "1", "--set", "batch_size=64"]
    result = CliRunner().invoke(train_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return folder / "out", result


def run(command, *arguments):
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_training_says_what_it_does_and_prints_the_folder(trained):
    folder, result = trained
    assert result.stdout == f"{folder}\n"
    assert "1 + 2 epochs" in result.stderr
    assert "of the parameters" in result.stderr
    assert "binary weights 2/2" in result.stderr
    names = {path.name for path in folder.iterdir()}
    assert names == {"checkpoint.pt", "design.json", "history.csv", "learning-curve.png", "network.pt"}


def test_evaluation_of_the_network_and_of_its_program(trained, tmp_path):
    folder, _ = trained
    logits = tmp_path / "deep" / "logits.npy"
    common = ("--data", "digits", "--limit", "50", "--json")
    network = run(evaluate_command, str(folder), *common, "--logits", str(logits))
    program = run(evaluate_command, str(folder), *common, "--program")
    measured, integer = json.loads(network.stdout), json.loads(program.stdout)
    assert measured["images"] == integer["images"] == 50
    assert abs(measured["accuracy"] - integer["accuracy"]) <= 0.1
    assert len(measured["gates"]["layers"]) == 6
    written = np.load(logits)
    assert written.shape == (50, 10)
    assert written.dtype == np.float32


def test_evaluation_as_a_table(trained):
    folder, _ = trained
    text = run(evaluate_command, str(folder), "--data", "digits", "--limit", "20").stdout
    assert "top-1" in text
    assert "stage1.block0.conv1" in text


def test_data_must_be_named(trained):
    with pytest.raises(ConfigError, match="--data is missing"):
        run(evaluate_command, str(trained[0]))


def test_a_proxy_is_not_trained_for_data_that_it_cannot_read(monkeypatch):
    record = SimpleNamespace(number=0, design=Design(image=ImageFormat(8, 8, 1, 9)))
    study = SimpleNamespace(name="tiny", record=lambda number: record, space=None)
    monkeypatch.setattr("fracdse.search.study.open_study", lambda name, storage: study)
    with pytest.raises(DataError, match="in 10 classes; the network reads 8×8×1 in 9"):
        run(evaluate_command, "0", "--data", "digits")
    with pytest.raises(DataError, match="no data set 'nowhere'"):
        run(evaluate_command, "0", "--data", "nowhere")


def test_logits_need_the_name_of_a_file_before_they_are_computed(trained):
    result = run(evaluate_command, str(trained[0]), "--data", "digits", "--limit", "20", "--logits", "")
    assert result.exit_code == 2
    assert "the name of a file is missing" in result.stderr


def test_a_study_goes_with_a_trial(trained):
    with pytest.raises(ConfigError, match="--study other goes with a trial's number"):
        run(evaluate_command, str(trained[0]), "--data", "digits", "--study", "other")


def test_no_epochs(trained, tmp_path):
    (tmp_path / "tiny.toml").write_text(DESIGN)
    with pytest.raises(ConfigError, match="epochs = 0 is out of range"):
        run(train_command, str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out"), "--epochs", "0")
    with pytest.raises(ConfigError, match="unknown key 'epoch'"):
        run(train_command, str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out"), "--set", "epoch=3")
    assert not (tmp_path / "out").exists()


def test_training_takes_the_part_of_the_data_that_its_file_asks_for(tmp_path):
    (tmp_path / "tiny.toml").write_text(DESIGN.replace('name = "digits"', 'name = "digits"\nsamples = 100'))
    short = ("--epochs", "1", "--real-epochs", "0", "--threads", "1", "--set", "distillation_order=stage-wise")
    own = run(train_command, str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "own"), *short)
    assert "90 images to learn from, 10 to validate" in own.stderr
    assert "distillation_order = 'stage-wise' has no effect" in own.stderr
    given = run(train_command, str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "all"), "--data", "digits", *short)
    assert "1294 images to learn from, 144 to validate" in given.stderr


def test_import_of_something_else(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(DataError, match="not of FracBNN's CIFAR-10 network"):
        run(import_command, "fracbnn", str(tmp_path / "other.pt"), "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_import_of_the_released_network(shared, tmp_path):
    file = shared / "data" / "fracbnn" / "cifar10_state_dict.pt"
    result = run(import_command, "fracbnn", str(file), "--out", str(tmp_path / "out"))
    assert result.stdout == f"{tmp_path / 'out'}\n"
    assert json.loads((tmp_path / "out" / "design.json").read_text())["facts"]["source"] == "cifar10_state_dict.pt"
