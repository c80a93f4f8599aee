"""Measure packing, the simulated board and what the driver costs beside the hardware.

Run `python benchmarks/board.py [--images 1000] [--json FILE]`. Networks are untrained: neither the driver's work nor
the size of a bundle depends on their parameters. Needs pynq, Verilator and a C++ compiler; some minutes on two cores.

What the driver adds is reckoned from its own counts. Between two batches the accelerator waits for the register
accesses that end one and start the next; frames and logits are copied while it works. `access_limit_us` is how long one
access may take before all of them together exceed 5 % of the hardware's time; `access_host_us` is what pynq's register
class takes on this machine, where the register is a word of ordinary memory.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fracdse.board.bundle import Bundle, bundle_bytes, read_bundle, write_bundle
from fracdse.board.deployment.hardware import generate
from fracdse.board.proof import BoardReport
from fracdse.board.selftest import run_selftest
from fracdse.board.simulated_session import simulated_session
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.hardware.folding import solve
from fracdse.program import Executor, Program, lower
from fracdse.topology import gated_convs
from fracdse.training.data import load_dataset

DRIVER_SHARE = 0.05
DIGITS = Design(
    ImageFormat(8, 8, 1, 10),
    NetworkChoices(depth=14, width=16, thermometer_resolution=64, si_width=2),
    AcceleratorChoices(folding="smallest at fps", fps=50_000.0),
)


def untrained(design: Design, images: np.ndarray) -> Program:
    import torch

    from fracdse.network import build_network, export_parameters

    torch.manual_seed(0)
    network = build_network(design).train()
    with torch.no_grad():  # ranges of the SI branches are seen in training
        network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    return lower(export_parameters(network.eval()), images)


def packing(name: str, design: Design, images: np.ndarray, folder: Path) -> tuple[dict[str, Any], Bundle]:
    """Time packing a bundle with 100 golden images, Verilog and a bitstream of a real one's size."""
    program = untrained(design, images[:64])
    hardware = generate(program, solve(design))
    golden = images[:100]
    parts: dict[str, Any] = {
        "program": program, "folding": hardware.folding, "build_id": hardware.build_id, "golden_images": golden,
        "golden_logits": Executor(program).run(golden).logits, "facts": {}, "verilog": hardware.verilog,
    }  # fmt: skip
    bitstream = np.random.default_rng(0).bytes(5_568_768)  # no zeros to compress, the worst case
    started = time.perf_counter()
    content = bundle_bytes(**parts, bitstream=bitstream, handoff=bytes(200_000))
    seconds = time.perf_counter() - started
    path = folder / f"{name}.fracdse"
    write_bundle(path, **parts)
    return {"what": f"pack {name}", "seconds": seconds, "mebibytes": len(content) / 2**20}, read_bundle(path)


def simulated_board(bundle: Bundle) -> dict[str, Any]:
    """Time the golden frames on a simulated board whose model is compiled anew; processor time is all processes'."""
    with tempfile.TemporaryDirectory(prefix="fracdse-cache-") as cache:
        os.environ["FRACDSE_CACHE"] = cache
        started, before = time.perf_counter(), os.times()
        with simulated_session(bundle) as session:
            report = run_selftest(bundle, session.address, timeout_s=600)
        del os.environ["FRACDSE_CACHE"]
    return {
        "what": f"{report.frames} digits frames on the simulated board, compiling its model included",
        "seconds": time.perf_counter() - started,
        "processor_seconds": sum(os.times()[:4]) - sum(before[:4]),
        "clock_measured_mhz": report.clock_measured_mhz,
        "clock_uncertainty_mhz": report.clock_uncertainty_mhz,
    }


def access_host_us() -> float:
    """Return the processor time that pynq's MMIO takes for a register access on this machine, in microseconds."""
    from fracdse.board.quiet import quiet_pynq

    class Memory:
        def has_capability(self, name: str) -> bool:
            return name == "MEMORY_MAPPED"

        def mmap(self, address: int, length: int) -> np.ndarray:
            return np.frombuffer(mmap.mmap(-1, length), np.uint32)

    with quiet_pynq():
        from pynq import MMIO

        registers = MMIO(0, 4096, device=Memory())
    count = 200_000
    started = time.process_time()
    for _ in range(count):
        registers.read(4)
    return (time.process_time() - started) / count * 1e6


def driver_row(report: BoardReport, layers: int) -> dict[str, Any]:
    hardware_us = report.cycles_per_frame / report.clock_set_mhz
    return {
        "what": f"driver, {report.frames} digits frames in batches of {report.batch}",
        "gated_layers": layers,
        "hardware_us_per_frame": hardware_us,
        "bytes_per_frame": report.bytes_moved_per_frame,
        "idle_accesses_per_frame": report.idle_accesses_per_frame,
        "poll_accesses_per_frame": report.poll_accesses_per_frame,
        "access_limit_us": DRIVER_SHARE * hardware_us / report.idle_accesses_per_frame,
        "access_host_us": access_host_us(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000, help="digits frames for the driver's accounting")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    options = parser.parse_args()
    digits = load_dataset("digits", "train").images
    noise = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
    rows = []
    with tempfile.TemporaryDirectory(prefix="fracdse-benchmark-") as name:
        row, bundle = packing("digits", DIGITS, digits, Path(name))
        rows += [row, packing("cifar10", Design(), noise, Path(name))[0]]
        rows.append(simulated_board(bundle))
        with simulated_session(bundle) as session:
            many = run_selftest(bundle, session.address, digits[: options.images], timeout_s=600)
        rows.append(driver_row(many, len(gated_convs(DIGITS))))
    for row in rows:
        print(row["what"])
        for key, value in row.items():
            if key != "what":
                print(f"    {key:<24} {value:,.4g}" if isinstance(value, float) else f"    {key:<24} {value:,}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
