"""What `train`, `evaluate` and `import` say to input that they cannot use: the command itself, message, exit code."""

import os
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fracdse.cli.main import main
from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.network import build_network, save_network
from fracdse.network.folder import save_tensors

DIGITS = ImageFormat(8, 8, 1, 10)
SMALL = NetworkChoices(depth=8, width=4, thermometer_resolution=64)
TRAINING = "name = 'tiny'\n[data]\nname = 'digits'\n[network]\ndepth = 8\nwidth = 4\nthermometer_resolution = 64\n"


@pytest.fixture
def fracdse(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fracdse", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, capsys.readouterr().err

    return run


@pytest.fixture
def network(tmp_path):
    save_network(tmp_path / "network", build_network(Design(DIGITS, SMALL)))
    return tmp_path / "network"


@pytest.fixture
def design(tmp_path):
    (tmp_path / "tiny.toml").write_text(TRAINING)
    return tmp_path / "tiny.toml"


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_a_checkpoint_of_another_network(fracdse, network):
    other = build_network(Design(DIGITS, replace(SMALL, width=8)))
    save_tensors(network / "network.pt", other.state_dict())
    code, said = fracdse("evaluate", network, "--data", "digits")
    assert code == 1
    assert "the checkpoint is of another network: it has 'stem.weight' of shape (8, 4, 3, 3)" in said


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file(fracdse, network, share):
    content = (network / "network.pt").read_bytes()
    (network / "network.pt").write_bytes(content[: int(share * len(content))])
    code, said = fracdse("evaluate", network, "--data", "digits")
    assert code == 1
    assert "network.pt' cannot be read as a file of tensors" in said


@pytest.mark.parametrize("command", ["evaluate", "import"])
def test_a_hostile_file_runs_nothing(fracdse, network, tmp_path, command):
    marker, file = tmp_path / "it-ran", network / "network.pt"
    file.write_bytes(pickle.dumps({"weight": Hostile(marker)}))
    given = [network, "--data", "digits"] if command == "evaluate" else ["fracbnn", file, "--out", tmp_path / "out"]
    code, said = fracdse(command, *given)
    assert code == 1
    assert "cannot be read as a file of tensors" in said
    assert not marker.exists()
    assert not (tmp_path / "out").exists()


def test_a_teacher_of_another_shape(fracdse, design, tmp_path):
    save_network(tmp_path / "teacher", build_network(Design(DIGITS, replace(SMALL, width=8))))
    changes = ["--set", "block_loss=l2", "--set", f"teacher={tmp_path / 'teacher'}"]
    code, said = fracdse("train", design, "--out", tmp_path / "out", *changes)
    assert code == 1
    assert "the teacher in" in said
    assert "(8, 8, 8)" in said
    assert "(4, 8, 8)" in said


def test_a_loss_that_is_no_number(fracdse, design, tmp_path):
    options = ["--learning-rate", "10", "--set", "logit_weight=1000000", "--set", "temperature=1000"]
    save_network(tmp_path / "teacher", broken(build_network(Design(DIGITS, SMALL))))
    options += ["--set", f"teacher={tmp_path / 'teacher'}", "--epochs", "2", "--real-epochs", "0", "--threads", "1"]
    code, said = fracdse("train", design, "--out", tmp_path / "out", *options)
    assert code == 1
    assert "the loss is nan in step 'binary weights', epoch 1, batch 1 of" in said
    assert "Lower the learning rate" in said
    assert "the checkpoint of the epoch before is kept" not in said, "there is none before the first epoch"


def broken(network):
    with torch.no_grad():
        network.classifier.weight.fill_(3e38)
    return network


def test_logits_that_are_no_numbers(fracdse, tmp_path):
    save_network(tmp_path / "network", broken(build_network(Design(DIGITS, SMALL))))
    code, said = fracdse("evaluate", tmp_path / "network", "--data", "digits", "--limit", "20")
    assert code == 1
    assert "the network's logits are not finite numbers for 20 of 20 images" in said


def test_a_float_network_has_no_program(fracdse, tmp_path):
    save_network(tmp_path / "network", build_network(Design(DIGITS, SMALL), precision="float"))
    code, said = fracdse("evaluate", tmp_path / "network", "--data", "digits", "--limit", "20", "--program")
    assert code == 1
    assert "the network's precision is 'float'; only a 'binary' one becomes an integer program" in said


@pytest.mark.parametrize(
    ("command", "option", "value", "allowed"),
    [
        ("train", "--seed", 2**64, "0<=x<=18446744073709551615"),
        ("train", "--threads", 100_000, "1<=x<=1024"),
        ("evaluate", "--threads", 100_000, "1<=x<=1024"),
    ],
)
def test_numbers_that_torch_cannot_take(fracdse, design, tmp_path, command, option, value, allowed):
    out = ["--out", tmp_path / "out"] if command == "train" else ["--data", "digits"]
    code, said = fracdse(command, design, *out, option, value)
    assert code == 2
    assert f"{value} is not in the range {allowed}" in said


def test_a_place_where_nothing_can_be_written(fracdse, design, network, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name in ("train", "evaluate"):
        monkeypatch.setattr(f"fracdse.training.{name}", lambda *_, **__: pytest.fail("it began"), raising=False)
    monkeypatch.setattr("fracdse.training.trainer.train", lambda *_, **__: pytest.fail("it began"))
    for command in (
        ["train", design, "--out", tmp_path / "file" / "out"],
        ["evaluate", network, "--data", "digits", "--logits", tmp_path / "file" / "logits.npy"],
    ):
        code, said = fracdse(*command)
        assert code == 1
        assert "Error: " in said
        assert str(tmp_path / "file") in said


def test_data_of_another_format_than_the_design_file_says(fracdse, design, tmp_path):
    design.write_text(TRAINING.replace("name = 'digits'", "name = 'digits'\nimage = [16, 16, 3]\nclasses = 5"))
    code, said = fracdse("train", design, "--out", tmp_path / "out")
    assert code == 2
    assert "but the space is for" in said


def test_a_data_set_with_one_class(fracdse, design, tmp_path):
    for split in ("train", "test"):
        folder = tmp_path / "photos" / split / "only"
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "0.png")
    code, said = fracdse("train", design, "--data", tmp_path / "photos", "--out", tmp_path / "out")
    assert code == 1
    assert "1 class; at least two are needed" in said


def test_no_epochs(fracdse, design, tmp_path):
    code, said = fracdse("train", design, "--out", tmp_path / "out", "--epochs", "0")
    assert code == 2
    assert "epochs = 0 is out of range; allowed: 1 to 100,000" in said


def test_an_image_that_the_strides_do_not_divide(fracdse, design, tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                Image.fromarray(np.full((10, 10, 3), 40 * number, np.uint8)).save(folder / f"{number}.png")
    code, said = fracdse("train", design, "--data", tmp_path / "photos", "--out", tmp_path / "out")
    assert code == 2
    assert "10×10: stride 2 of layer stage3.block0.conv1 does not divide its 5×5 input" in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(fracdse, design, network, tmp_path):
    for command in (["train", design, "--out", tmp_path / "out"], ["evaluate", network, "--data", "digits"]):
        code, said = fracdse(*command, "--device", "cuda")
        assert code == 4
        assert "PyTorch finds no GPU" in said
        assert "--device cpu" in said
    assert not (tmp_path / "out").exists()
