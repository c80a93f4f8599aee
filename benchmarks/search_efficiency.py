"""Compare samplers on a tabulated space: hypervolume against trials and against training seconds.

    python benchmarks/search_efficiency.py tabulate benchmarks/tables/digits.json     # trains every design once
    python benchmarks/search_efficiency.py compare benchmarks/tables/digits.json --seeds 20 --json out.json

The table holds the accuracy, hardware and training seconds of every design of a space, with the command and seed that
made it. Comparing then takes no training: a sampler asks, the table answers.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import optuna
from tabulated_space import tabulate

from fracdse.pareto import hypervolume, nondominated
from fracdse.search.objective import objective_values
from fracdse.search.params import params_key, suggest
from fracdse.search.samplers import make_sampler
from fracdse.search.trial_facts import RESULT, VOID, Outcome
from fracdse.space import SearchSpace, load_space

SAMPLERS = ("random", "NSGA-II", "TPE", "model")
SHARE = 0.95


def search(space: SearchSpace, designs: dict[str, dict], sampler: str, seed: int, trials: int) -> list[tuple]:
    """Return (objective values, training seconds) of each new design that a sampler asks for."""
    study = optuna.create_study(directions=list(space.objectives.values()), sampler=make_sampler(sampler, space, seed))
    seen: dict[str, list[float]] = {}
    rows = []
    for _ in range(trials * 20):
        trial = study.ask()
        key = params_key(suggest(trial, space))
        outcome = Outcome.from_dict({k: v for k, v in designs[key].items() if v is not None})
        values = objective_values(outcome, space.objectives)
        if key in seen:
            trial.set_user_attr(VOID, "repeat")
        else:
            trial.set_user_attr(RESULT, outcome.to_dict())
            seen[key] = values
            rows.append((values, outcome.seconds.get("training", outcome.seconds.get("cached", 0.0))))
        study.tell(trial, values)
        if len(rows) >= trials:
            break
    return rows


def curve(space: SearchSpace, rows: list[tuple], reference: list[float]) -> list[float]:
    """Return the hypervolume after each design."""
    ways = list(space.objectives.values())
    return [hypervolume(np.array([v for v, _ in rows[: n + 1]]), ways, reference) for n in range(len(rows))]


def compare(file: Path, seeds: int) -> dict:
    """Return, a sampler, the trials and training seconds to 95 % of the true front's hypervolume, a value a seed."""
    table = json.loads(file.read_text())
    space = load_space(table["space"], table["set"])
    designs = table["designs"]
    everything = [
        objective_values(Outcome.from_dict({k: v for k, v in d.items() if v is not None}), space.objectives)
        for d in designs.values()
    ]
    values, ways = np.array(everything), list(space.objectives.values())
    reference = [float(v.min() if way == "maximize" else v.max() * 1.01) for v, way in zip(values.T, ways, strict=True)]
    whole = hypervolume(values[nondominated(values, ways)], ways, reference)
    report: dict = {"table": str(file), "designs": len(designs), "hypervolume": whole, "samplers": {}}
    for sampler in SAMPLERS:
        trials, seconds, begin = [], [], time.perf_counter()
        for seed in range(seeds):
            rows = search(space, designs, sampler, seed, len(designs))
            volumes = np.array(curve(space, rows, reference))
            reached = int(np.argmax(volumes >= SHARE * whole))
            trials.append(reached + 1)
            seconds.append(float(sum(cost for _, cost in rows[: reached + 1])))
        report["samplers"][sampler] = {
            "trials": trials,
            "seconds": seconds,
            "own_seconds": (time.perf_counter() - begin) / seeds,
        }
    return report


def show(report: dict) -> None:
    """Print medians and the middle 80 %."""
    print(f"{report['designs']} designs; to {SHARE:.0%} of the true front's hypervolume (median, 10 %…90 % of seeds)")
    base = float(np.median(report["samplers"]["random"]["seconds"]))
    for name, found in report["samplers"].items():
        trials, seconds = np.array(found["trials"]), np.array(found["seconds"])
        t, s = np.quantile(trials, [0.1, 0.5, 0.9]), np.quantile(seconds, [0.1, 0.5, 0.9])
        print(
            f"{name:<8} {t[1]:5.0f} trials ({t[0]:.0f}…{t[2]:.0f})  {s[1]:7.1f} s training ({s[0]:.1f}…{s[2]:.1f})  "
            f"{s[1] / base:.2f} of random's  own time {found['own_seconds']:.1f} s a run"
        )


def main() -> None:
    """Run the command on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["tabulate", "compare"])
    parser.add_argument("table", type=Path)
    parser.add_argument("--space", default="digits")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.action == "tabulate":
        tabulate(options.space, options.changes, options.table)
        return
    report = compare(options.table, options.seeds)
    show(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
