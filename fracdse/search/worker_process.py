"""The program that a worker of `--workers N` runs: the same loop as the driver's, on the same study."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from fracdse.errors import FracdseError


@dataclass(frozen=True)
class WorkerOrder:
    """What a worker is told: the study, its share of the work, and where the driver put the data."""

    folder: str
    owner: str
    sampler: str
    sampler_seed: int
    lag: int
    trials: int
    seconds_left: float | None
    threads: int
    data_folder: str
    fingerprint: str
    driver: int

    def to_json(self) -> str:
        """Return the order as JSON."""
        return json.dumps(asdict(self))


def work(order: WorkerOrder) -> None:
    """Evaluate designs of the study until its budget is used up."""
    from fracdse.search.asking import Asker
    from fracdse.search.loop import Budget, run
    from fracdse.search.patience import patiently
    from fracdse.search.problem import make_problem
    from fracdse.search.samplers import make_sampler
    from fracdse.search.shared_data import open_shared_data
    from fracdse.search.study import open_study

    study = patiently(lambda: open_study(Path(order.folder)))
    data = open_shared_data(Path(order.data_folder), order.fingerprint)
    sampler = make_sampler(order.sampler, study.space, order.sampler_seed, order.lag)
    problem = make_problem(study.space, data, order.threads)
    run(problem, Asker(study, order.owner, sampler, order.lag), Budget.of(order.trials, order.seconds_left))


def die_with(driver: int) -> None:
    """Ask the kernel to end this process when the driver dies, however it dies (Linux)."""
    death_signal_option = 1  # PR_SET_PDEATHSIG
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(death_signal_option, signal.SIGKILL)
    if os.getppid() != driver:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Run the order on the command line; errors go to standard error as JSON, for the driver to raise."""
    order = WorkerOrder(**json.loads(sys.argv[1]))
    die_with(order.driver)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides.
    try:
        work(order)
    except FracdseError as error:
        sys.stderr.write(json.dumps({"message": error.message, "hint": error.hint}) + "\n")
        return int(error.exit_code)
    except OSError as error:
        sys.stderr.write(json.dumps({"message": f"{error.strerror}: {error.filename or ''}", "hint": ""}) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
