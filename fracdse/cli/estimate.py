"""`fracdse estimate`: the hardware figures of one design, from the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fracdse.cli.storage import storage_option
from fracdse.design import Design
from fracdse.errors import ConfigError
from fracdse.figures import HardwareFigures
from fracdse.folding import Folding, lanes_text
from fracdse.gates import GateStatistics

_UNITS = {"cycles_per_frame": "cycles", "fps": "frames/s", "latency_us": "µs", "power_w": "W"}


@click.command("estimate")
@click.argument("design", metavar="DESIGN.toml|TRIAL")
@click.option("--study", help="The study that TRIAL belongs to; the newest if left out.")
@storage_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(design: str, study: str | None, storage: str | None, as_json: bool) -> None:
    """Compute the hardware figures of one design: a file with single values only, or a trial's number."""
    from fracdse.hardware.estimate import estimate
    from fracdse.hardware.folding import solve

    point, gates = _from_trial(int(design), study, storage) if design.isdecimal() else (_from_file(design, study), None)
    folding = solve(point, gates) if point.accelerator.architecture == "dataflow" else None
    figures = estimate(point, gates, folding, of_proxy=gates is not None)
    if as_json:
        click.echo(json.dumps(_plain(point, figures, folding, gates), indent=1))
    else:
        click.echo(_table(point, figures, folding, gates))


def _from_file(name: str, study: str | None) -> Design:
    from fracdse.space import load_space

    if study is not None:
        raise ConfigError(f"--study {study} goes with a trial's number, not with the file {name}")
    return load_space(Path(name)).only_design()


def _from_trial(number: int, study: str | None, storage: str | None) -> tuple[Design, GateStatistics | None]:
    from fracdse.search.study import open_study

    record = open_study(study, storage).record(number)
    return record.design, record.gates


def _plain(
    design: Design, figures: HardwareFigures, folding: Folding | None, gates: GateStatistics | None
) -> dict[str, Any]:
    """Return one flat record: a figure by its name, its interval as NAME_low and NAME_high."""
    record: dict[str, Any] = {"design_key": design.key, "device": design.device, "hardware_kind": figures.lut.kind}
    for name, figure in figures.items():
        record |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    record["gates"] = "measured" if gates else "prior"
    record["folding"] = folding.to_dict() if folding else None
    record["design"] = design.to_dict()
    return record


def _table(design: Design, figures: HardwareFigures, folding: Folding | None, gates: GateStatistics | None) -> str:
    from fracdse.compact_plan import LANES
    from fracdse.hardware.coefficients import coefficients_for
    from fracdse.hardware.compact import compact_coefficients
    from fracdse.hardware.devices import load_device

    device = load_device(design.device)
    lines = [f"Design {design.key} on {device.name} ({device.part}), {design.accelerator.clock_mhz:g} MHz, estimated"]
    lines.append(f"{'':<18}{'value':>12}{'90 % interval':>27}{'of device':>12}")
    for name, figure in figures.items():
        digits = 2 if figure.value < 100 and not float(figure.value).is_integer() else 0
        span = "exact" if figure.low == figure.high else f"{figure.low:,.{digits}f} to {figure.high:,.{digits}f}"
        whole = device.resources.get(name)
        share = f"{figure.value / whole:.1%}" if whole else ""
        row = f"{name:<18}{figure.value:>12,.{digits}f}{span:>27}{share:>12} {_UNITS.get(name, '')}"
        lines.append(row.rstrip())
    if folding is not None:
        lines.append(
            "lanes "
            + " ".join(
                lanes_text(layer.lanes, layer.slices) for layer in (folding.stem, *folding.convs, folding.classifier)
            )
        )
        lines.append("weights in " + " ".join(layer.weight_memory for layer in folding.convs))
    if design.accelerator.architecture == "compact":
        lines.append(f"compact: {LANES} lanes, layers in turn; cycles do not depend on gates")
        coefficients = compact_coefficients()
    else:
        lines.append(
            "gates " + ("as measured on the trained proxy" if gates else "as the prior says: open 40 % of the time")
        )
        coefficients = coefficients_for(device.family, device.die)
    if design.accelerator.architecture != "engine" and coefficients.part not in (device.family, device.die):
        lines.append(
            f"lut and ff by the coefficients of {coefficients.tool} {coefficients.version} for {coefficients.part}: "
            f"no build of {device.family} has confirmed them"
        )
    lines.append("power_w is of low confidence")
    return "\n".join(lines)
