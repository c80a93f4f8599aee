import contextlib
import io
import json
import pickle
import warnings
import zipfile

import numpy as np
import pytest
import torch

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.errors import DataError
from fracdse.network import build_network, load_network, released_network, save_network, tensor_file
from fracdse.network.folder import network_digest
from fracdse.network.tensor_file import load_tensors

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


@pytest.mark.parametrize("precision", ["float", "real_weights", "binary"])
def test_a_network_comes_back_at_its_precision(tmp_path, precision):
    network = build_network(DESIGN, precision=precision).eval()
    save_network(tmp_path, network)
    again = load_network(tmp_path)
    x = images()
    with torch.no_grad():
        assert torch.equal(network(x), again(x))
    assert again.precision == precision


def describe(folder, **changes):
    described = {**json.loads((folder / "design.json").read_text()), **changes}
    (folder / "design.json").write_text(json.dumps({key: value for key, value in described.items() if value != ""}))


def test_descriptions_without_a_precision_are_of_binary_networks(tmp_path):
    save_network(tmp_path, build_network(DESIGN, precision="float"))
    describe(tmp_path, precision="")
    assert load_network(tmp_path).precision == "binary"


@pytest.mark.parametrize("precision", ["half", None, 3, ["float"]])
def test_an_unknown_precision_is_refused(tmp_path, precision):
    save_network(tmp_path, build_network(DESIGN))
    describe(tmp_path, precision=precision)
    with pytest.raises(DataError, match=r"precision = .* is not one of 'float', 'real_weights', 'binary'"):
        load_network(tmp_path)


def test_a_digest_names_what_a_network_computes(tmp_path):
    network = build_network(DESIGN)
    for name, precision, facts in (("a", "binary", {}), ("b", "binary", {"seed": 3}), ("c", "float", {})):
        network.precision = precision
        save_network(tmp_path / name, network, facts)
    save_network(tmp_path / "d", build_network(DESIGN))
    first, moved, *others = (network_digest(tmp_path / name) for name in "abcd")
    assert first == moved
    assert len({first, *others}) == 3


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
        with pytest.raises(DataError) as refused:
            load_tensors(tmp_path / name)
        assert "weights_only" not in refused.value.message
    assert "code ran" not in capsys.readouterr().out


def test_damaged_files_of_tensors_are_refused(tmp_path):
    content, path = torch_file({"weight": torch.arange(40.0)}), tmp_path / "mutant.pt"
    generator = np.random.default_rng(0)
    for _ in range(300):
        mutant = np.frombuffer(content, np.uint8).copy()
        places = generator.integers(0, len(mutant), generator.choice([1, 5, 40]))
        mutant[places] = generator.integers(0, 256, len(places))
        path.write_bytes(mutant.tobytes()[: generator.integers(1, len(mutant) + 1)])
        with contextlib.suppress(DataError):
            load_tensors(path)


def test_archives_that_unpack_to_more_than_allowed_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(1 << 20))
    monkeypatch.setattr(tensor_file, "LARGEST_FILE_BYTES", 1 << 19)
    assert path.stat().st_size < 1 << 19
    with pytest.raises(DataError, match=r"takes 1048576 bytes; at most 524288"):
        load_tensors(path)


@pytest.mark.parametrize("values", [{5: torch.zeros(3)}, {(1, 2): 3}, {None: 1}, [1], torch.zeros(3)])
def test_only_tables_with_text_keys_are_read(tmp_path, values):
    (tmp_path / "table.pt").write_bytes(torch_file(values))
    with pytest.raises(DataError, match="not a table of tensors"):
        load_tensors(tmp_path / "table.pt")


def unusual(weight):
    """Tensors that no network is made of, each in place of `weight`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "text": "abc",
            "meta": weight.to("meta"),
            "sparse": weight.to_sparse(),
            "csr": weight.to_sparse_csr(),
            "nested": torch.nested.nested_tensor(list(weight)),
            "quantised": torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
            "complex": weight.to(torch.complex64),
            "bool": weight > 0,
            "fp8": weight.to(torch.float8_e4m3fn),
            "nan": weight * torch.nan,
            "too large": torch.full(weight.shape, 1e300, dtype=torch.float64),
        }


@pytest.mark.parametrize("kind", unusual(torch.zeros(2, 2)))
def test_unusual_tensors_are_refused(tmp_path, kind):
    network = build_network(DESIGN)
    save_network(tmp_path, network)
    state = network.state_dict()
    (tmp_path / "network.pt").write_bytes(
        torch_file({**state, "classifier.weight": unusual(state["classifier.weight"])[kind]})
    )
    with pytest.raises(DataError, match=r"network\.pt"):
        load_network(tmp_path)


def test_a_negative_variance_is_refused(tmp_path):
    network = build_network(DESIGN)
    network.stem.norm.running_var.fill_(-1)
    save_network(tmp_path, network)
    with pytest.raises(DataError, match=r"stem\.norm\.running_var' holds a negative variance"):
        load_network(tmp_path)


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


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"design": 3}', "{", "[" * 100_000, '{"design":' * 50_000])
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
    with pytest.raises(DataError, match="not finite numbers"):
        released_network({**state, "linear.bias": torch.full((10,), torch.nan)})
    with pytest.raises(DataError, match=r"linear\.weight. is \(64, 10\); expected \(10, 64\)"):
        released_network({**state, "linear.weight": state["linear.weight"].t()})
    with pytest.raises(DataError, match=r"bn1\.running_var. holds a negative variance"):
        released_network({**state, "bn1.running_var": -state["bn1.running_var"]})
    for value in unusual(state["linear.weight"]).values():
        with pytest.raises(DataError, match=r"linear\.weight"):
            released_network({**state, "linear.weight": value})
    released_network({**state, "encoder.placeholder": torch.zeros(3)})
    released_network({f"module.{key}": value for key, value in state.items()})
