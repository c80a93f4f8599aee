"""Hardware figures of a deployed design, each step's beside the estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fracdse.board.proof import BoardReport
from fracdse.build.simulation import SimulationResult
from fracdse.build.synthesis import SynthesisResult
from fracdse.build.vivado_steps import VivadoResult
from fracdse.errors import ReportError
from fracdse.figures import Figure, HardwareFigures, Kind
from fracdse.reports import Report


def simulated_figures(before: HardwareFigures, simulation: SimulationResult, clock_mhz: float) -> HardwareFigures:
    """Return figures with cycles, rate and latency from simulation; the others stay what they were."""
    cycles = simulation.cycles_per_frame
    return replace(
        before,
        cycles_per_frame=Figure.exact(cycles, "simulated"),
        fps=Figure.exact(clock_mhz * 1e6 / cycles, "simulated"),
        latency_us=Figure.exact(simulation.latency_cycles / clock_mhz, "simulated"),
    )


def synthesised_figures(before: HardwareFigures, synthesis: SynthesisResult) -> HardwareFigures:
    """Return figures with resources from synthesis; the others stay what they were."""
    return replace(
        before,
        lut=Figure.exact(synthesis.lut, "synthesised"),
        ff=Figure.exact(synthesis.ff, "synthesised"),
        bram18=Figure.exact(synthesis.bram18, "synthesised"),
        dsp=Figure.exact(synthesis.dsp, "synthesised"),
    )


def measured_figures(before: HardwareFigures, report: BoardReport) -> HardwareFigures:
    """Return figures with cycles, rate and latency from a board; the others stay what they were."""
    return replace(
        before,
        cycles_per_frame=Figure.exact(report.cycles_per_frame, "measured"),
        fps=Figure.exact(report.frames_per_s, "measured"),
        latency_us=Figure.exact(report.first_latency_us, "measured"),
    )


def vivado_synthesised_figures(before: HardwareFigures, build: VivadoResult) -> HardwareFigures:
    """Return figures with the accelerator's resources as Vivado synthesised it.

    Raises:
        ReportError: The report lacks one of them.
    """
    return replace(before, **_exact(_resources(build.synthesised), "synthesised"))


def implemented_figures(before: HardwareFigures, build: VivadoResult) -> HardwareFigures:
    """Return figures with the accelerator's resources after placement and the whole chip's power after routing.

    Raises:
        ReportError: A report lacks one of them.
    """
    found = {**_resources(build.accelerator), "power_w": build.power.total_on_chip_w}
    return replace(before, **_exact(found, "implemented"))


def _resources(report: Report) -> dict[str, float | None]:
    return {
        "lut": report.lut,
        "ff": report.ff,
        "bram18": None if report.bram36 is None else 2 * report.bram36,
        "dsp": report.dsp,
    }


def _exact(found: Mapping[str, float | None], kind: Kind) -> dict[str, Figure]:
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise ReportError(f"Vivado's reports do not give {', '.join(missing)}")
    return {name: Figure.exact(value, kind) for name, value in found.items() if value is not None}
