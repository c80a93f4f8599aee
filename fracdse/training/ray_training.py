"""Train one network on several nodes of a Ray cluster, each worker a process of one team.

The leading worker may be on any node, so it writes into a folder of its own, which the driver copies into the user's
after every epoch: checkpoint, curves and network are where they would be without a cluster.
"""

from __future__ import annotations

import importlib
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fracdse.design import Design
from fracdse.errors import FracdseError, TrainingError
from fracdse.network.folder import load_network
from fracdse.ray_cluster import RayCluster, RayShares
from fracdse.training.data import Dataset
from fracdse.training.full_training import TrainingResult, train
from fracdse.training.history import EpochRecord
from fracdse.training.process_group import PartnerLost, Place, team_at
from fracdse.training.recipe import Recipe
from fracdse.training.run import Progress
from fracdse.whole_file import write_whole

_POLL_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True)
class _Job:
    """What every worker is told."""

    design: Design
    recipe: Recipe
    seed: int
    resume: bool
    threads: int
    device: str


class Worker:
    """An actor that is one process of the team; `news` may be called while `train` runs."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fracdse-")
        self._records: list[EpochRecord] = []
        self._sent: dict[str, int] = {}

    def meeting_point(self) -> str:
        """Return an address of this node where the team can meet."""
        ray: Any = importlib.import_module("ray")
        host = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((host, 0))
            return f"tcp://{host}:{probe.getsockname()[1]}"

    def train(
        self, job: _Job, train_set: Dataset, validation_set: Dataset, files: Mapping[str, bytes], place: Place
    ) -> tuple[float, float]:
        """Train to the end and return accuracy and seconds."""
        folder = Path(self._folder.name)
        write_files(folder, files)
        self._sent = {name: _changed(folder / name) for name in files}
        with team_at(place, job.device) as team:
            result = train(
                job.design,
                _writable(train_set),
                _writable(validation_set),
                job.recipe,
                seed=job.seed,
                folder=folder,
                resume=job.resume,
                progress=self._records.append,
                threads=job.threads,
                device=job.device,
                team=team,
            )
        return result.accuracy, result.seconds

    def news(self, known: int) -> tuple[list[EpochRecord], dict[str, bytes]]:
        """Return the epochs after the first `known`, and the files that changed since the last call."""
        records = self._records[known:]
        folder = Path(self._folder.name)
        changed = {name: time for name, time in _times(folder).items() if self._sent.get(name) != time}
        self._sent |= changed
        return records, {name: (folder / name).read_bytes() for name in changed}


def train_on_ray(
    design: Design,
    train_set: Dataset,
    validation_set: Dataset,
    recipe: Recipe,
    *,
    workers: int,
    shares: RayShares,
    seed: int = 0,
    folder: Path,
    resume: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
    device: str = "auto",
) -> TrainingResult:
    """Train a design with `workers` processes on a Ray cluster; see `train` for the rest.

    Raises:
        ToolNotFound: Ray is not installed.
        StudyError: There is no cluster at the address, or it went away.
        ConfigError: The cluster does not hold so many workers, or a batch has fewer images than there are workers.
        TrainingError: A worker was lost, or the loss is not a number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = _Job(design, recipe, seed, resume, threads or max(1, int(shares.cpus)), "cpu" if not shares.gpus else device)
    with RayCluster(shares.address) as cluster:
        cluster.require(shares, workers)
        crew = _Crew(cluster, workers, shares, folder, progress)
        try:
            accuracy, seconds = crew.train(job, train_set, validation_set, read_files(folder) if resume else {})
        finally:
            crew.stop()
    return TrainingResult(load_network(folder), accuracy, tuple(crew.records), seconds)


class _Crew:
    """The workers of one training, the first of which leads."""

    def __init__(
        self, cluster: RayCluster, count: int, shares: RayShares, folder: Path, progress: Progress | None
    ) -> None:
        self._cluster, self._ray = cluster, cluster.ray
        self._folder, self._progress = folder, progress
        self.records: list[EpochRecord] = []
        actor = self._ray.remote(
            num_cpus=shares.cpus, num_gpus=shares.gpus, max_restarts=0, max_task_retries=0, max_concurrency=2
        )(Worker)
        self._workers = [actor.remote() for _ in range(count)]

    def train(
        self, job: _Job, train_set: Dataset, validation_set: Dataset, files: dict[str, bytes]
    ) -> tuple[float, float]:
        """Run the workers to the end, copying what the first one writes."""
        meeting_point = self._ray.get(self._workers[0].meeting_point.remote())
        sets = self._ray.put(train_set), self._ray.put(validation_set)
        size = len(self._workers)
        running = {
            worker.train.remote(job, *sets, files if rank == 0 else {}, Place(rank, size, 0, meeting_point)): rank
            for rank, worker in enumerate(self._workers)
        }
        answers: dict[int, tuple[float, float]] = {}
        while running:
            self._cluster.check()
            done, _ = self._ray.wait(list(running), num_returns=1, timeout=_POLL_SECONDS)
            for reference in done:
                rank = running.pop(reference)
                answer = self._answer(reference, rank)
                if isinstance(answer, FracdseError):
                    raise self._root(answer, running)
                answers[rank] = answer
            self._copy_news()
        return answers[0]

    def stop(self) -> None:
        """End the workers, wherever they are."""
        if self._cluster.answers:
            for worker in self._workers:
                self._ray.kill(worker)

    def _answer(self, reference: Any, rank: int) -> tuple[float, float] | FracdseError:
        size = len(self._workers)
        try:
            answer: tuple[float, float] = self._ray.get(reference)
            return answer
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, FracdseError):
                return error.cause
            return TrainingError(f"worker {rank} of {size} failed: {_first_line(error.cause or error)}")
        except self._ray.exceptions.RayError as error:
            return TrainingError(
                f"worker {rank} of {size} was lost: {_first_line(error)}",
                hint="The checkpoint of the last epoch is kept; continue with --resume.",
            )

    def _root(self, error: FracdseError, running: Mapping[Any, int]) -> FracdseError:
        """Return what began it: a worker that lost its partners may be heard of before the one that it lost."""
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        left = dict(running)
        while isinstance(error, PartnerLost) and left and time.monotonic() < deadline:
            done, _ = self._ray.wait(list(left), num_returns=1, timeout=_POLL_SECONDS)
            for reference in done:
                answer = self._answer(reference, left.pop(reference))
                if isinstance(answer, FracdseError):
                    error = answer
        return error

    def _copy_news(self) -> None:
        try:
            records, files = self._ray.get(self._workers[0].news.remote(len(self.records)))
        except self._ray.exceptions.RayError:
            return  # The worker is gone: its own answer says why.
        write_files(self._folder, files)
        self.records += records
        for record in records:
            if self._progress is not None:
                self._progress(record)


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by its path in it."""
    return {name: (folder / name).read_bytes() for name in _times(folder)}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, each replaced as a whole."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content)


def _times(folder: Path) -> dict[str, int]:
    # A name with a dot in front is a file that is still being written.
    files = (path for path in folder.rglob("*") if not path.name.startswith(".") and path.is_file())
    return {path.relative_to(folder).as_posix(): _changed(path) for path in files}


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _writable(dataset: Dataset) -> Dataset:
    """Return a copy: what comes out of Ray's object store cannot be written, of which torch warns."""
    return replace(dataset, images=dataset.images.copy(), labels=dataset.labels.copy())


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
