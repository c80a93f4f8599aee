"""Trials on a Ray cluster of two nodes, on this machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

from fracdse.errors import ConfigError
from fracdse.ray_cluster import RayShares
from fracdse.search.checking import check_study
from fracdse.search.driver import Plan, check_data, drive
from fracdse.search.loop import Budget
from fracdse.search.problem import StudyData, load_data
from fracdse.search.study import create_study
from fracdse.space import SearchSpace, load_space

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read when Ray is imported: the loopback interface
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Heard:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.started_trials: list[int] = []
        self.finished_trials: list[int] = []

    def started(self, number: int, design: object) -> None:
        self.started_trials.append(number)

    def finished(self, record: object) -> None:
        self.finished_trials.append(record.number)  # type: ignore[attr-defined]

    def dropped(self, number: int) -> None:
        pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    pytest.importorskip("ray", reason="needs Ray, from the extra 'cluster'")
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes.add_node(num_cpus=1)
        yield nodes.address
        nodes.shutdown()


def test_two_nodes_share_a_study(cluster: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study, heard = create_study("fleet", tiny_space), Heard()
    check_data(study, tiny_data)
    drive(study, tiny_data, Plan("random", Budget(5), ray=RayShares(cluster)), heard)
    records = study.records()
    assert [record.state for record in records] == ["complete"] * 5
    assert sorted(heard.finished_trials) == [record.number for record in records]
    assert len({record.design.key for record in records}) == 5
    assert check_study(study.folder) == []


def test_trials_on_a_cluster_equal_those_here(cluster: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    found = []
    for name, ray in (("here", None), ("there", RayShares(cluster))):
        space = load_space("digits", ["data.samples=120", "network.depth=8", "proxy.epochs=2", f"name={name}"])
        study = create_study(name, space)
        drive(study, load_data(space), Plan("grid", Budget(2), ray=ray), Heard())
        found.append([(record.params, record.seed, record.accuracy) for record in study.records()])
    assert found[0] == found[1]


def test_a_trial_larger_than_every_node_is_refused(cluster: str, tiny_space: SearchSpace, tiny_data: StudyData) -> None:
    study = create_study("large", tiny_space)
    with pytest.raises(ConfigError, match="no node of the Ray cluster has 64 CPUs"):
        drive(study, tiny_data, Plan("random", Budget(1), ray=RayShares(cluster, cpus=64.0)), Heard())


def test_rungs_on_a_cluster(cluster: str, tiny_data: StudyData) -> None:
    changes = ("data.samples=120", "network.depth=8", "network.width=[4, 8]", "proxy.epochs=3", "proxy.rungs=[1, 2]")
    study = create_study("rungs", load_space("digits", changes))
    drive(study, tiny_data, Plan("random", Budget(8), ray=RayShares(cluster)), Heard())
    states = [record.state for record in study.records()]
    assert len(states) == 8
    assert set(states) == {"complete", "pruned"}
