import io
import json
import pickle

import numpy as np
import pytest
import torch

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.errors import DataError
from fracdse.network import build_network, load_network, released_network, save_network
from fracdse.network.folder import load_tensors

DESIGN = Design(ImageFormat(8, 8, 1, 3), NetworkChoices(depth=8, width=4, si_width=2))


def images():
    return torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)


def test_a_saved_network_computes_the_same(tmp_path):
    network = build_network(DESIGN).eval()
    save_network(tmp_path / "kept", network)
    again = load_network(tmp_path / "kept")
    assert again.design == DESIGN
    x = images()
    with torch.no_grad():
        assert torch.equal(network(x), again(x))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["design.json", "network.pt"]


def test_saving_again_replaces(tmp_path):
    save_network(tmp_path, build_network(DESIGN))
    network = build_network(DESIGN)
    save_network(tmp_path, network)
    assert torch.equal(load_network(tmp_path).stem.weight, network.stem.weight)


@pytest.mark.parametrize("size", [0, 10, 1000, -1])
def test_truncated_files(tmp_path, size):
    save_network(tmp_path, build_network(DESIGN))
    path = tmp_path / "network.pt"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"network\.pt"):
        load_network(tmp_path)


class Hostile:
    def __reduce__(self):
        return (print, ("code ran",))


def test_hostile_files_run_nothing(tmp_path, capsys):
    for name, content in (("pickle.pt", pickle.dumps(Hostile())), ("torch.pt", torch_file({"stem.weight": Hostile()}))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            load_tensors(tmp_path / name)
    assert "code ran" not in capsys.readouterr().out


def torch_file(values):
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def test_a_checkpoint_of_another_network(tmp_path):
    save_network(tmp_path, build_network(DESIGN))
    described = json.loads((tmp_path / "design.json").read_text())
    described["design"]["network"]["width"] = 8
    (tmp_path / "design.json").write_text(json.dumps(described))
    with pytest.raises(DataError, match=r"another network.*stem\.weight"):
        load_network(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"design": 3}', "{"])
def test_damaged_descriptions(tmp_path, text):
    save_network(tmp_path, build_network(DESIGN))
    (tmp_path / "design.json").write_text(text)
    with pytest.raises(DataError, match=r"design\.json"):
        load_network(tmp_path)


def test_a_folder_without_a_network(tmp_path):
    with pytest.raises(DataError, match="holds no network"):
        load_network(tmp_path)


def released_state(shared):
    return load_tensors(shared / "data" / "fracbnn" / "cifar10_state_dict.pt")


def test_released_network_gives_its_logits(shared, tmp_path):
    from fracdse.training.data import load_dataset

    golden = np.load(shared / "data" / "fracbnn" / "golden_jpeg_test.npz")["logits"][:96]
    save_network(tmp_path, released_network(released_state(shared)))
    network = load_network(tmp_path)
    test_set = load_dataset(shared / "data" / "cifar10", "test")
    x = torch.from_numpy(test_set.images[: len(golden)]).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = torch.cat([network(part) for part in x.split(64)]).numpy()
    assert np.abs(logits - golden).max() < 1e-4


@pytest.mark.slow
def test_released_network_on_the_whole_test_split(shared):
    from fracdse.training import evaluate
    from fracdse.training.data import load_dataset
    from fracdse.training.gate_statistics import open_share

    golden = np.load(shared / "data" / "fracbnn" / "golden_jpeg_test.npz")["open_fraction"]
    network = released_network(released_state(shared))
    measured = evaluate(network, load_dataset(shared / "data" / "cifar10", "test"), gate_images=10_000)
    assert measured.accuracy == pytest.approx(0.8056, abs=1e-9)
    assert measured.gates is not None
    assert [layer.open_fraction for layer in measured.gates.layers] == pytest.approx(golden.tolist(), abs=1e-4)
    assert open_share(measured.gates, network.design) == pytest.approx(0.404, abs=5e-4)


def test_released_checkpoints_of_something_else(shared):
    state = released_state(shared)
    with pytest.raises(DataError, match=r"missing, such as .layer1\.0\.conv1\.threshold"):
        released_network({key: value for key, value in state.items() if key != "layer1.0.conv1.threshold"})
    with pytest.raises(DataError, match="unknown, such as 'extra'"):
        released_network({**state, "extra": torch.zeros(1)})
    with pytest.raises(DataError, match=r"linear\.bias. is \(3,\)"):
        released_network({**state, "linear.bias": torch.zeros(3)})
    with pytest.raises(DataError, match="not numbers"):
        released_network({**state, "linear.bias": torch.full((10,), torch.nan)})
    released_network({**state, "encoder.placeholder": torch.zeros(3)})
    released_network({f"module.{key}": value for key, value in state.items()})
