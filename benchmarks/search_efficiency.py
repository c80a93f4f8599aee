"""Compare samplers on a tabulated space: hypervolume against trials and against training seconds.

    python benchmarks/search_efficiency.py tabulate benchmarks/tables/digits.csv       # trains every network once
    python benchmarks/search_efficiency.py compare benchmarks/tables/digits.csv --seeds 20 --plot out.png

The table holds the accuracy and the training seconds of every network of a space, with the command and seed that made
it (see tabulated_space.py). Comparing takes no training: a sampler asks, the table answers. A design that was seen
before, or whose hardware misses a constraint, costs no training, as in a search. The hypervolume is that of all designs
tried so far, bounded by the worst value that each objective has in the whole space.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from tabulated_space import Table, read_table, tabulate

from fracdse.pareto import hypervolume, nondominated
from fracdse.search.hopeless import hopeless
from fracdse.search.knowledge import Memory
from fracdse.search.objective import check_hardware, objective_values
from fracdse.search.params import all_params, params_key, suggest
from fracdse.search.samplers import make_sampler
from fracdse.search.trial_facts import RESULT, VOID, Outcome
from fracdse.space import SearchSpace

SAMPLERS = {"random": "random", "NSGA-II": "NSGA-II", "TPE": "TPE", "default": "model"}
SHARE, ENOUGH = 0.95, 0.98


@dataclass(frozen=True)
class Scale:
    """What hypervolumes are measured by: the directions, the reference point and the volume of the true front."""

    ways: list[Any]
    reference: list[float]
    whole: float

    def share(self, rows: list[list[float]]) -> float:
        """Return the hypervolume of some objective values as a share of the true front's."""
        return hypervolume(np.array(rows), self.ways, self.reference) / self.whole if rows else 0.0


def all_outcomes(table: Table) -> dict[str, Outcome]:
    """Return what the search would find for every design of the table's space."""
    outcomes = {}
    for params in all_params(table.space):
        outcome = check_hardware(table.space, table.space.design(params))
        if outcome.state == "complete":
            training = table.training(params)
            outcome = replace(outcome, accuracy=training.accuracies[-1], seconds={"training": training.seconds[-1]})
        outcomes[params_key(params)] = outcome
    return outcomes


def scale_of(space: SearchSpace, outcomes: Mapping[str, Outcome]) -> tuple[Scale, int]:
    """Return the scale of a space, and how many designs are on its true front."""
    feasible = [outcome for outcome in outcomes.values() if outcome.state == "complete"]
    values = np.array([objective_values(outcome, space.objectives) for outcome in feasible])
    ways = list(space.objectives.values())
    front = nondominated(values, ways)
    worst = [v.min() if way == "maximize" else v.max() * 1.01 for v, way in zip(values.T, ways, strict=True)]
    reference = [float(value) for value in worst]
    return Scale(ways, reference, hypervolume(values[front], ways, reference)), int(front.sum())


def search(
    space: SearchSpace, outcomes: Mapping[str, Outcome], scale: Scale, sampler: str, seed: int
) -> list[tuple[float, float]]:
    """Return (share of the hypervolume, training seconds so far) after every trained design, until `ENOUGH`."""
    study = optuna.create_study(directions=scale.ways, sampler=make_sampler(SAMPLERS[sampler], space, seed))
    memory = Memory(space)
    seen: set[str] = set()
    rows: list[list[float]] = []
    curve: list[tuple[float, float]] = []
    seconds = 0.0
    for _ in range(30 * len(outcomes)):
        trial = study.ask()
        params = suggest(trial, space)
        key = params_key(params)
        outcome = outcomes[key]
        repeated, trained = key in seen, False
        seen.add(key)
        if repeated:
            trial.set_user_attr(VOID, "repeat")
        elif outcome.state == "complete" and sampler == "default":
            knowledge = memory.before(study.get_trials(deepcopy=False), trial.number)
            reason = hopeless(memory, knowledge, params, outcome)
            trained = not reason
            outcome = outcome if trained else replace(outcome, state="pruned", reason=reason, accuracy=None)
        else:
            trained = outcome.state == "complete"
        trial.set_constraint("violation", 0.0)
        if not repeated:
            trial.set_user_attr(RESULT, outcome.to_dict())
        if outcome.state != "complete":
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, objective_values(outcome, space.objectives))
        if trained:
            rows.append(objective_values(outcome, space.objectives))
            seconds += outcome.seconds["training"]
            curve.append((scale.share(rows), seconds))
        if len(seen) == len(outcomes) or (curve and curve[-1][0] >= ENOUGH):
            break
    return curve


def compare(file: Path, seeds: int) -> dict[str, Any]:
    """Return, a sampler and seed, the curve of hypervolume, and how far it takes to 95 % of the true front's."""
    table = read_table(file)
    outcomes = all_outcomes(table)
    scale, front = scale_of(table.space, outcomes)
    report: dict[str, Any] = {"table": str(file), "designs": len(outcomes), "front": front, "samplers": {}}
    for sampler in SAMPLERS:
        begin = time.process_time()
        curves = [search(table.space, outcomes, scale, sampler, seed) for seed in range(seeds)]
        reached = [next((n for n, (share, _) in enumerate(c) if share >= SHARE), len(c) - 1) for c in curves]
        report["samplers"][sampler] = {
            "curves": curves,
            "trials": [n + 1 for n in reached],
            "seconds": [curve[n][1] for curve, n in zip(curves, reached, strict=True)],
            "own_seconds_a_trial": (time.process_time() - begin) / sum(map(len, curves)),
        }
    return report


def show(report: dict[str, Any]) -> None:
    """Print medians and the middle 80 %."""
    print(f"{report['designs']} designs, {report['front']} of them on the true front")
    print(f"To {SHARE:.0%} of its hypervolume, median (10 % to 90 %) of the seeds:")
    base = float(np.median(report["samplers"]["random"]["seconds"]))
    for name, found in report["samplers"].items():
        trials, seconds = (np.quantile(found[what], [0.1, 0.5, 0.9]) for what in ("trials", "seconds"))
        print(
            f"{name:<8} {trials[1]:5.1f} trainings ({trials[0]:.0f} to {trials[2]:.0f})  "
            f"{seconds[1]:6.1f} s ({seconds[0]:.0f} to {seconds[2]:.0f})  {seconds[1] / base:.2f} of random's  "
            f"own time {found['own_seconds_a_trial']:.2f} s a training"
        )


def draw(report: dict[str, Any], file: Path) -> None:
    """Draw the median and the middle 80 % of the hypervolume against trainings and against seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for place, (axis, label) in enumerate(zip(axes, ("trainings", "training time (s)"), strict=True)):
        furthest = np.quantile(report["samplers"]["random"][("trials", "seconds")[place]], 0.9)
        grid = np.linspace(0, furthest, 200)
        for name, found in report["samplers"].items():
            table = np.array([_at(curve, grid, place) for curve in found["curves"]])
            low, middle, high = np.quantile(table, [0.1, 0.5, 0.9], axis=0)
            (line,) = axis.step(grid, middle, where="post", label=name, lw=2 if name == "default" else 1.2)
            axis.fill_between(grid, low, high, step="post", alpha=0.15, color=line.get_color(), lw=0)
        axis.axhline(SHARE, color="0.4", lw=0.8, ls=":")
        axis.set(xlabel=label, xlim=(0, furthest), ylim=(0.5, 1.005))
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("share of the true front's hypervolume")
    axes[0].legend(loc="lower right", frameon=False)
    seeds = len(report["samplers"]["random"]["curves"])
    figure.suptitle(f"{report['designs']} tabulated designs, {seeds} seeds: median and middle 80 %", fontsize=10)
    figure.savefig(file, dpi=130)


def _at(curve: list[tuple[float, float]], grid: np.ndarray, place: int) -> np.ndarray:
    """Return the share reached at each point of a grid of trainings (place 0) or seconds (place 1)."""
    shares = np.array([0.0, *(share for share, _ in curve)])
    ends = np.arange(1, len(curve) + 1) if place == 0 else np.array([seconds for _, seconds in curve])
    return shares[np.searchsorted(ends, grid, side="right")]


def main() -> None:
    """Run the command on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["tabulate", "compare"])
    parser.add_argument("table", type=Path)
    parser.add_argument("--space", default="digits", help="tabulate: the space")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="tabulate: override a key of it")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.action == "tabulate":
        tabulate(options.space, options.changes, options.table)
        return
    report = compare(options.table, options.seeds)
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report))
    if options.plot:
        draw(report, options.plot)


if __name__ == "__main__":
    main()
