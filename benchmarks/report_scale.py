"""Measure reports of large studies: the front of 20,000 finished trials, and the page of 2,000 trials in Chromium.

The trials are made up with a fixed seed: designs are drawn from the CIFAR-10 space, gates and accuracies are random,
and hardware figures are those of a few real estimates, scaled at random.
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
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from fracdse.errors import InfeasibleError
from fracdse.figures import HardwareFigures
from fracdse.gates import GateStatistics, LayerGates
from fracdse.hardware.estimate import estimate
from fracdse.search.journal import JOURNAL_NAME
from fracdse.search.params import distributions, random_params
from fracdse.search.study import create_study
from fracdse.search.trial_facts import RESULT, START, Outcome, start_facts
from fracdse.space import SearchSpace, load_space
from fracdse.topology import gated_convs

REPORT_LIMIT_S, REPORT_LIMIT_MIB = 5.0, 1024
PAGE_LIMIT_BYTES, PAGE_LIMIT_S = 6_000_000, 2.0
ESTIMATES = 24


class _Memory(BaseJournalBackend):
    """A journal in memory, so that thousands of trials are written in seconds."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        yield from self.entries[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.entries += json.loads(json.dumps(logs))


def made_up_study(name: str, trials: int) -> Path:
    """Write a study of complete trials below results/ and return its folder."""
    space = load_space(Path("cifar10"))
    folder = create_study(name, space).folder
    journal = folder / JOURNAL_NAME
    memory = _Memory([json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()])
    study = optuna.load_study(study_name=name, storage=JournalStorage(memory))
    generator = np.random.default_rng(1)
    figures = list(itertools.islice(some_estimates(space, generator), ESTIMATES))
    for number in range(trials):
        study.add_trial(made_up_trial(space, figures[number % ESTIMATES], number, generator))
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in memory.entries), encoding="utf-8")
    return folder


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
    space: SearchSpace, base: HardwareFigures, number: int, generator: np.random.Generator
) -> optuna.trial.FrozenTrial:
    params = random_params(space, generator)
    design = space.design(params)
    hardware = HardwareFigures(**{name: _scaled(figure, generator) for name, figure in base.items()})
    layers = tuple(
        LayerGates(spec.name, float(generator.uniform(0.2, 0.6)), _lane_counts(spec.out_channels, generator))
        for spec in gated_convs(design)
    )
    accuracy = float(generator.uniform(0.3, 0.7))
    outcome = Outcome("complete", accuracy=accuracy, hardware=hardware, gates=GateStatistics(layers, 256))
    values = [accuracy if name == "accuracy" else getattr(hardware, name).value for name in space.objectives]
    attributes = {START: start_facts(design, number, "benchmark"), RESULT: outcome.to_dict()}
    return optuna.trial.create_trial(
        params=params, distributions=distributions(space), values=values, user_attrs=attributes
    )


def _scaled(figure: Any, generator: np.random.Generator) -> Any:
    factor = float(generator.uniform(0.5, 1.5))
    return replace(figure, value=factor * figure.value, low=factor * figure.low, high=factor * figure.high)


def _lane_counts(channels: int, generator: np.random.Generator) -> dict[int, float]:
    lanes = [count for count in range(1, channels + 1) if channels % count == 0]
    return {count: float(generator.uniform(0, channels / count)) for count in lanes}


def run_report(arguments: list[str]) -> dict[str, float]:
    """Return wall and processor seconds and the peak memory of `fracdse report`."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fracdse", "report", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"fracdse report {' '.join(arguments)} failed")
    return {
        "wall_s": round(time.perf_counter() - begin, 2),
        "processor_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


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
        result["pareto"] = {"trials": options.trials, **run_report(["large", "--pareto"])}
        make_elsewhere("page", options.page_trials)
        page = run_report(["page", "--out", "table.txt", "--html", "page.html"])
        size = Path("page.html").stat().st_size
        opening = opening_time(Path("page.html"))
        result["page"] = {"trials": options.page_trials, **page, "bytes": size, "opening_s": opening}
        os.chdir("/")
    text = json.dumps(result, indent=2)
    if target is not None:
        target.write_text(text + "\n", encoding="utf-8")
    print(text)
    page_limit = f"{PAGE_LIMIT_BYTES:,} bytes, opened in {PAGE_LIMIT_S} s"
    print(f"Limits: front {REPORT_LIMIT_S} s and {REPORT_LIMIT_MIB} MiB; page {page_limit}.")


if __name__ == "__main__":
    main()
