"""Draw, synthesise and simulate compact accelerators, fit their hardware model, and print its error.

python benchmarks/compact_model.py                   # the error of the stored coefficients
python benchmarks/compact_model.py --synthesise      # synthesise what is not stored yet; some minutes each
python benchmarks/compact_model.py --simulate        # simulate what is not stored yet
python benchmarks/compact_model.py --fit             # fit hw_models/compact/coefficients-xcup.json

Networks are random ones whose norms are settled as training leaves them, lowered like any other. Every third one is
kept from the fit. A line a network: the model against what Yosys and Verilator gave.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from compact_points import (
    DRAWS,
    POINTS_FOLDER,
    UNITS_FILE,
    Simulated,
    name_of,
    read_simulated,
    simulate_draw,
    stored_points,
    synthesise_draw,
    write_simulated,
)
from scipy.optimize import nnls

from fracdse.design import Design
from fracdse.hardware.calibration.points import NETWORK, Point, write_points
from fracdse.hardware.coefficients import Coefficient, Coefficients, Formula
from fracdse.hardware.compact import (
    ConstantFields,
    compact_coefficients,
    compact_resources,
    compact_units,
    network_plan,
)
from fracdse.hardware.compact_cycles import compact_times
from fracdse.hardware.terms import UnitTerms

# The classifier is the dataflow accelerator's: its formula and coefficients are too.
_SHARED = "classifier"
# A handful of held-out networks does not show the worst there is.
_LEAST_HALF_WIDTH = 0.03


def networks(points: Sequence[Point]) -> Iterator[tuple[Point, dict[str, Point]]]:
    """Yield every whole network with its units by their names."""
    for whole in points:
        if whole.unit == NETWORK:
            units = {p.unit: p for p in points if p.network == whole.network and p.unit != NETWORK}
            yield whole, units


def is_held_out(network: str) -> bool:
    return int(network.rpartition("-")[2]) % 3 == 2


def terms_of(whole: Point) -> dict[str, UnitTerms]:
    """Return the terms of all units, with the widths of the constants as they are."""
    known = ConstantFields(**whole.parameters["fields"])
    return {terms.unit: terms for terms in compact_units(Design.from_dict(whole.parameters["design"]), known)}


def fit(points: Sequence[Point]) -> Coefficients:
    """Fit non-negative coefficients to relative errors, a unit and resource at a time."""
    chosen = [(terms_of(whole), units) for whole, units in networks(points) if not is_held_out(whole.network)]
    formulas: dict[str, dict[str, Formula]] = {"lut": {}, "ff": {}}
    for resource, by_unit in formulas.items():
        for unit in chosen[0][0]:
            if unit == _SHARED:
                continue
            rows = [getattr(terms[unit], resource) for terms, _ in chosen]
            names = list(dict.fromkeys(name for row in rows for name in row))
            measured = np.array([float(getattr(units[unit], resource)) for _, units in chosen])
            matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows])
            weight = 1 / np.maximum(measured, 20)
            values, _ = nnls(matrix * weight[:, None], measured * weight)
            errors = np.abs(matrix @ values - measured) * weight
            by_unit[unit] = Formula(
                coefficients={
                    name: Coefficient(value=float(v)) for name, v in zip(names, values.round(4), strict=True)
                },
                half_width=float(np.quantile(errors, 0.9)),
                points=len(chosen),
            )
    source = "benchmarks/compact_model.py --fit: random networks synthesised unit by unit; every third one left out"
    draft = Coefficients(
        tool="yosys", version=points[0].version, part="xcup", source=source, **formulas,
        network_half_width={"lut": 1.0, "ff": 1.0}, network_points=len(chosen),
    )  # fmt: skip
    errors = [error for network, *error in network_errors(points, draft) if is_held_out(network)]
    widths = {
        name: round(max(_LEAST_HALF_WIDTH, *(abs(e[i]) for e in errors)), 3) for i, name in enumerate(("lut", "ff"))
    }
    return draft.model_copy(update={"network_half_width": widths})


def network_errors(points: Sequence[Point], coefficients: Coefficients) -> Iterator[tuple[str, float, float]]:
    """Yield (network, relative error of LUTs, of flip-flops) of all whole networks, constants as usual."""
    for whole, _ in networks(points):
        found = compact_resources(Design.from_dict(whole.parameters["design"]), None, coefficients)
        yield whole.network, found.lut / whole.lut - 1, found.ff / whole.ff - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthesise", action="store_true")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    points, simulated = stored_points(), read_simulated()
    for index in range(len(DRAWS)):
        if options.synthesise and not any(point.network == name_of(index) for point in points):
            points += synthesise_draw(index, options.jobs)
            write_points(POINTS_FOLDER / UNITS_FILE, points)
        if options.simulate and not any(one.network == name_of(index) for one in simulated):
            simulated.append(simulate_draw(index, options.jobs))
            write_simulated(simulated)
    if options.fit:
        text = fit(points).model_dump_json(indent=1)
        (POINTS_FOLDER / "coefficients-xcup.json").write_text(text + "\n", encoding="utf-8")
        compact_coefficients.cache_clear()
    print_units(points)
    print_networks(points)
    print_cycles(simulated)


def print_units(points: Sequence[Point]) -> None:
    coefficients = compact_coefficients()
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for whole, units in networks(points):
        if is_held_out(whole.network):
            for name, terms in terms_of(whole).items():
                if name != _SHARED:
                    pair = (
                        (coefficients.predict(terms, "lut"), units[name].lut),
                        (coefficients.predict(terms, "ff"), units[name].ff),
                    )
                    errors[name].append(tuple((ours - theirs) / max(theirs, 20) for ours, theirs in pair))
    print("units held out: LUT median, worst; FF median, worst")
    for name, pairs in errors.items():
        lut, ff = np.abs(np.array(pairs)).T
        print(f"  {name:<12}{np.median(lut):7.1%}{lut.max():7.1%}{np.median(ff):9.1%}{ff.max():7.1%}")


def print_networks(points: Sequence[Point]) -> None:
    coefficients = compact_coefficients()
    errors = {network: pair for network, *pair in network_errors(points, coefficients)}
    print(
        "networks: synthesised LUT, FF, BRAM18, DSP; the model's error; BRAM18 by constants as they are, as usual; DSP"
    )
    for whole, _ in networks(points):
        design = Design.from_dict(whole.parameters["design"])
        known = compact_resources(design, ConstantFields(**whole.parameters["fields"]))
        usual = compact_resources(design)
        lut, ff = errors[whole.network]
        mark = "held out" if is_held_out(whole.network) else ""
        print(
            f"  {whole.network:<14}{whole.lut:7,}{whole.ff:7,}{whole.bram18:5}{whole.dsp:4}   "
            f"LUT {lut:+6.1%}  FF {ff:+6.1%}  BRAM18 {known.bram18}, {usual.bram18}  DSP {known.dsp}  {mark}"
        )
    for kept in (False, True):
        chosen = np.abs(np.array([e for name, e in errors.items() if is_held_out(name) == kept]))
        if len(chosen):
            (lut, ff), (worst_lut, worst_ff) = np.median(chosen, axis=0), chosen.max(axis=0)
            print(
                f"{'held out' if kept else 'fitted':<10}{len(chosen):3} networks: "
                f"LUT median {lut:.1%}, worst {worst_lut:.1%}; FF median {ff:.1%}, worst {worst_ff:.1%}"
            )


def print_cycles(simulated: Sequence[Simulated]) -> None:
    print("cycles a frame and latency, simulated, and the model's error")
    errors = []
    for one in simulated:
        plan = network_plan(Design.from_dict(json.loads(one.design)))
        times = compact_times(plan, one.post_words, one.code_words)
        pair = times.frame / one.cycles_per_frame - 1, times.latency / one.latency_cycles - 1
        errors.append(pair)
        stem = plan.layers[0]
        print(
            f"  {one.network:<14}{stem.in_rows:3}×{stem.in_columns:<3}{one.cycles_per_frame:10,}{pair[0]:+8.2%}"
            f"{one.latency_cycles:10,}{pair[1]:+8.2%}"
        )
    if errors:
        frame, latency = np.abs(np.array(errors)).T
        print(f"cycles: median {np.median(frame):.2%}, worst {frame.max():.2%}; latency: worst {latency.max():.2%}")


if __name__ == "__main__":
    main()
