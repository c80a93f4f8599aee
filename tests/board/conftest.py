"""A small accelerator with its bundle, generated once for all tests of boards."""

from pathlib import Path

import numpy as np
import pytest
import torch
from echo_model import BUILD_ID

from fracdse.board.bundle import Bundle, read_bundle, write_bundle
from fracdse.board.deployment.hardware import generate
from fracdse.board.handoff import simulated_bitstream, simulated_handoff
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.hardware.folding import solve
from fracdse.network import build_network, export_parameters
from fracdse.program import Executor, lower
from fracdse.training.data import load_dataset


@pytest.fixture(scope="session")
def digits_images() -> np.ndarray:
    return load_dataset("digits", "test").images


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory, digits_images: np.ndarray) -> Bundle:
    """An untrained network of random weights for digits, folded as small as it gets; eight golden images."""
    design = Design(
        ImageFormat(8, 8, 1, 10),
        NetworkChoices(depth=8, width=4, thermometer_resolution=64, si_width=2),
        AcceleratorChoices(folding="smallest at fps", fps=1000.0),
    )
    torch.manual_seed(0)
    network = build_network(design).train()
    with torch.no_grad():  # ranges of the SI branches are seen in training
        network(torch.from_numpy(digits_images[:64].transpose(0, 3, 1, 2).copy()))
    network.eval()
    program = lower(export_parameters(network), digits_images[:64])
    hardware = generate(program, solve(design))
    path: Path = tmp_path_factory.mktemp("bundle") / "small.fracdse"
    golden = digits_images[:8]
    write_bundle(
        path, program=program, folding=hardware.folding, build_id=hardware.build_id, golden_images=golden,
        golden_logits=Executor(program).run(golden).logits, facts={}, verilog=hardware.verilog,
    )  # fmt: skip
    return read_bundle(path)


@pytest.fixture
def bitfile(tmp_path: Path) -> Path:
    path = tmp_path / "fracdse.bit"
    path.write_bytes(simulated_bitstream(BUILD_ID, "xczu3eg"))
    path.with_suffix(".hwh").write_text(simulated_handoff(250.0))
    return path
