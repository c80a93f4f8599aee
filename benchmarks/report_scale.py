"""Measure large studies: report, resume and the next proposal at 20,000 finished trials; the page of 2,000 in Chromium.

The trials are made up with a fixed seed and written as a search writes them: different designs of a space of 126,720,
random gates and accuracies, and the hardware figures of a few real estimates, scaled at random.
Run `python benchmarks/report_scale.py [--trials 20000] [--page-trials 2000] [--json FILE]`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import distribution_to_json
from optuna.storages.journal._storage import JournalOperation

from fracdse.errors import InfeasibleError
from fracdse.figures import HardwareFigures
from fracdse.gates import GateStatistics, LayerGates
from fracdse.hardware.estimate import estimate
from fracdse.search.asking import Asker
from fracdse.search.constraints import all_constraints
from fracdse.search.journal import JOURNAL_NAME
from fracdse.search.objective import check_hardware
from fracdse.search.params import Params, distributions, params_key, random_params
from fracdse.search.samplers import make_sampler
from fracdse.search.study import create_study, open_study
from fracdse.search.trial_facts import RESULT, START, Outcome, start_facts
from fracdse.space import SearchSpace, load_space
from fracdse.topology import gated_convs

REPORT_LIMIT_S, REPORT_LIMIT_MIB = 5.0, 1024
PAGE_LIMIT_BYTES, PAGE_LIMIT_S = 6_000_000, 2.0
RESUME_LIMIT_S, ASKING_LIMIT_S = 10.0, 1.0
ESTIMATES, ASKED = 24, 8
MOMENT = "2026-01-01T12:00:00+00:00"
LARGE_SPACE = (
    "network.depth=[8, 14, 20, 26]",
    "network.width={low=4, high=64, step=4}",
    "network.thermometer_resolution=[4, 8, 16, 32, 64]",
    "network.gate_threshold={low=-1.0, high=4.0, step=0.5}",
    "network.si_width=[0, 2, 4, 8]",
    'accelerator.weight_memory=["auto", "logic", "bram"]',
    "accelerator.feature_bits=[16, 20, 24]",
)


def made_up_study(name: str, trials: int) -> Path:
    """Write a study of complete trials below results/, entry by entry as a search writes it, and return its folder."""
    space = load_space(Path("digits"), LARGE_SPACE)
    folder = create_study(name, space).folder
    generator = np.random.default_rng(1)
    figures = list(itertools.islice(some_estimates(space, generator), ESTIMATES))
    seen: set[str] = set()
    with (folder / JOURNAL_NAME).open("a", encoding="utf-8") as journal:
        while len(seen) < trials:
            params = random_params(space, generator)
            number = len(seen)
            if params_key(params) not in seen:
                seen.add(params_key(params))
                trial = made_up_trial(space, params, figures[number % ESTIMATES], number, generator)
                for entry in entries_of(number, trial):
                    journal.write(json.dumps(entry, separators=(",", ":")) + "\n")
    return folder


def entries_of(number: int, trial: optuna.trial.FrozenTrial) -> Iterator[dict[str, Any]]:
    """Yield the journal entries that make a trial, one for everything that a search tells the storage."""

    def entry(operation: JournalOperation, **fields: Any) -> dict[str, Any]:
        return {"op_code": int(operation), "worker_id": "benchmark", "trial_id": number, **fields}

    created = entry(JournalOperation.CREATE_TRIAL, study_id=0, datetime_start=MOMENT)
    del created["trial_id"]
    yield created
    for path, kind in trial.distributions.items():
        yield entry(
            JournalOperation.SET_TRIAL_PARAM,
            param_name=path,
            param_value_internal=kind.to_internal_repr(trial.params[path]),
            distribution=distribution_to_json(kind),
        )
    for key, value in trial.user_attrs.items():
        yield entry(JournalOperation.SET_TRIAL_USER_ATTR, user_attr={key: value})
    for key, value in trial.system_attrs.items():
        yield entry(JournalOperation.SET_TRIAL_SYSTEM_ATTR, system_attr={key: value})
    yield entry(
        JournalOperation.SET_TRIAL_STATE_VALUES,
        state=int(trial.state),
        values=trial.values,
        datetime_complete=MOMENT,
    )


def make_elsewhere(name: str, trials: int) -> None:
    """Make a study in a process of its own: what it needs would count as the peak of every process started later."""
    process = multiprocessing.get_context("spawn").Process(target=made_up_study, args=(name, trials))
    process.start()
    process.join()


def some_estimates(space: SearchSpace, generator: np.random.Generator) -> Iterator[HardwareFigures]:
    while True:
        try:
            yield estimate(space.design(random_params(space, generator)))
        except InfeasibleError:
            continue


def made_up_trial(
    space: SearchSpace, params: Params, base: HardwareFigures, number: int, generator: np.random.Generator
) -> optuna.trial.FrozenTrial:
    design = space.design(params)
    hardware = HardwareFigures(**{name: _scaled(figure, generator) for name, figure in base.items()})
    layers = tuple(
        LayerGates(spec.name, float(generator.uniform(0.2, 0.6)), _lane_counts(spec.out_channels, generator))
        for spec in gated_convs(design)
    )
    accuracy = float(generator.uniform(0.3, 0.7))
    violations = {str(constraint): -0.5 for constraint in all_constraints(space.constraints)}
    seconds = {"hardware": 0.01, "training": float(generator.uniform(5, 50))}
    gates = GateStatistics(layers, 256)
    outcome = Outcome("complete", "", accuracy, hardware, gates, violations, seconds)
    values = [accuracy if name == "accuracy" else getattr(hardware, name).value for name in space.objectives]
    return optuna.trial.create_trial(
        params=dict(params),
        distributions=distributions(space),
        values=values,
        user_attrs={START: start_facts(design, number, "benchmark"), RESULT: outcome.to_dict()},
        constraints={"violation": 0.0},
    )


def _scaled(figure: Any, generator: np.random.Generator) -> Any:
    factor = float(generator.uniform(0.5, 1.5))
    return replace(figure, value=factor * figure.value, low=factor * figure.low, high=factor * figure.high)


def _lane_counts(channels: int, generator: np.random.Generator) -> dict[int, float]:
    lanes = [count for count in range(1, channels + 1) if channels % count == 0]
    return {count: float(generator.uniform(0, channels / count)) for count in lanes}


def run_command(*arguments: str) -> dict[str, float]:
    """Return wall and processor seconds and the peak memory of a command of fracdse."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fracdse", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"fracdse {' '.join(arguments)} failed")
    return {
        "wall_s": round(time.perf_counter() - begin, 2),
        "processor_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def asking_times(name: str) -> list[float]:
    """Return the processor seconds that the default sampler and the study take for each of some more trials.

    Each is told an accuracy before the next is asked for, as in a search, so that the sampler's model has news.
    """
    study = open_study(name)
    asker = Asker(study, "benchmark", make_sampler("model", study.space, 1))
    generator = np.random.default_rng(2)
    times = []
    for _ in range(ASKED):
        begin = time.process_time()
        asked = asker.next(10**9)
        assert asked is not None
        times.append(round(time.process_time() - begin, 2))
        trained = replace(check_hardware(study.space, asked.design), accuracy=float(generator.uniform(0.3, 0.7)))
        asker.tell(asked, asked.refused or trained)
    return times


def opening_time(page: Path) -> float | None:
    """Return the seconds until Chromium has drawn the page; None where there is no Chromium."""
    chromium = os.environ.get("FRACDSE_TEST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        begin = time.perf_counter()
        tab.goto(page.resolve().as_uri(), timeout=120_000)
        tab.wait_for_selector("html[data-ready=yes]", timeout=120_000)
        took = time.perf_counter() - begin
        browser.close()
    return round(took, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure reports of large studies.")
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--page-trials", type=int, default=2_000)
    parser.add_argument("--json", type=Path, help="write the result to a file")
    options = parser.parse_args()
    target = options.json.resolve() if options.json else None
    result: dict[str, Any] = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_elsewhere("large", options.trials)
        result["pareto"] = {"trials": options.trials, **run_command("report", "large", "--pareto")}
        resume = ("search", "--resume", "--study", "large", "--trials", str(options.trials), "--quiet")
        result["resume"] = {"trials": options.trials, **run_command(*resume)}
        times = asking_times("large")
        result["asking"] = {
            "trials": options.trials,
            "first_s": times[0],
            "median_s": float(np.median(times[1:])),
            "most_s": max(times[1:]),
        }
        make_elsewhere("page", options.page_trials)
        page = run_command("report", "page", "--out", "table.txt", "--html", "page.html")
        size = Path("page.html").stat().st_size
        opening = opening_time(Path("page.html"))
        result["page"] = {"trials": options.page_trials, **page, "bytes": size, "opening_s": opening}
        os.chdir("/")
    text = json.dumps(result, indent=2)
    if target is not None:
        target.write_text(text + "\n", encoding="utf-8")
    print(text)
    page_limit = f"{PAGE_LIMIT_BYTES:,} bytes, opened in {PAGE_LIMIT_S} s"
    print(f"Limits: front {REPORT_LIMIT_S} s and {REPORT_LIMIT_MIB} MiB; resume {RESUME_LIMIT_S} s; page {page_limit}.")
    print(f"Limit of asking: {ASKING_LIMIT_S} s.")


if __name__ == "__main__":
    main()
