"""Drive a study: prepare what its trials need, put it in order, and run it to its budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fracdse import __version__
from fracdse.errors import StudyError
from fracdse.hardware.devices import load_device
from fracdse.ray_cluster import RayShares
from fracdse.search.asking import Asker, counted
from fracdse.search.locks import DriverLock
from fracdse.search.loop import Budget, Listener, run
from fracdse.search.problem import StudyData, load_data, make_problem
from fracdse.search.resuming import requeue_interrupted
from fracdse.search.samplers import make_sampler
from fracdse.search.study import Study, machine_owner, sampler_seed
from fracdse.search.trial_facts import START
from fracdse.search.workers import CrewPlan, run_workers, threads_each
from fracdse.space import SearchSpace
from fracdse.space.toml_writer import toml_value

_FEWEST_IN_A_BATCH = 4
_FINGERPRINT = "data_fingerprint"


@dataclass(frozen=True)
class Plan:
    """How a study is to be run.

    One worker means this process itself; `storage_url` is the address of the study's database, for workers to open,
    and `ray` runs trials as Ray tasks instead.
    """

    sampler: str
    budget: Budget
    workers: int = 1
    storage_url: str | None = None
    ray: RayShares | None = None


def prepare(space: SearchSpace) -> tuple[SearchSpace, StudyData]:
    """Check the devices of a space, load its data, and return both with the images' format filled in from the data.

    Raises:
        ConfigError: A device is unknown, or the images are not of the format that the space states.
        DataError: The data is missing or damaged.
    """
    for device in space.choices["device"].ends:
        load_device(str(device))
    data = load_data(space)
    return (space if space.image is not None else space.with_image(data.train.image_format)), data


def drive(study: Study, data: StudyData, plan: Plan, listener: Listener) -> None:
    """Run a study until its budget is used up; interrupted trials of an earlier run come first.

    Raises:
        StudyError: Another process drives the study, another version of fracdse made it, or its data is another.
    """
    check_version(study)
    with DriverLock(study.folder / "driver.lock", study.name) as lock:
        check_data(study, data)
        _requeue_own(study)
        if not study.in_database and counted(study.optuna_study.get_trials(deepcopy=False)) >= plan.budget.trials:
            return  # Nobody else can have left anything to do, and workers would each read the study to find that out.
        try:
            if plan.ray is not None:
                _run_on_ray(study, data, plan, listener)
            elif plan.workers > 1:
                crew = CrewPlan(plan.sampler, plan.workers, plan.budget, plan.storage_url)
                run_workers(study, data, crew, listener, lock)
            else:
                _run_here(study, data, plan, listener)
        except KeyboardInterrupt:
            _requeue_own(study)
            raise


def _requeue_own(study: Study) -> None:
    """Put interrupted trials back: every running one of a journal, which only this process drives; of a database,
    those that this machine's folder of the study owns, and none of other machines.
    """
    owner = f"{machine_owner(study)}/"
    requeue_interrupted(
        study, lambda trial: not study.in_database or trial.user_attrs.get(START, {}).get("owner", "").startswith(owner)
    )


def data_fingerprint(study: Study) -> str | None:
    """Return the name of the content of the data that a study learns from, once it is known."""
    known = study.optuna_study.user_attrs.get(_FINGERPRINT)
    return None if known is None else str(known)


def _run_here(study: Study, data: StudyData, plan: Plan, listener: Listener) -> None:
    seed = sampler_seed(study, plan.sampler, 0)
    asker = Asker(study, f"{machine_owner(study)}/driver", make_sampler(plan.sampler, study.space, seed))
    batch = max(_FEWEST_IN_A_BATCH, 2 ** (len(study.space.proxy.rungs) + 1)) if study.space.proxy.rungs else 1
    run(make_problem(study.space, data, threads_each(1)), asker, plan.budget, listener, batch)


def _run_on_ray(study: Study, data: StudyData, plan: Plan, listener: Listener) -> None:
    from fracdse.search.ray_engine import run_on_ray

    assert plan.ray is not None
    seed = sampler_seed(study, plan.sampler, 0)
    asker = Asker(study, f"{machine_owner(study)}/ray", make_sampler(plan.sampler, study.space, seed))
    run_on_ray(make_problem(study.space, data, max(1, int(plan.ray.cpus))), asker, plan.budget, listener, plan.ray)


def check_version(study: Study) -> None:
    """Raise StudyError if another version of fracdse made the study: its figures would not be comparable."""
    if study.version != __version__:
        raise StudyError(
            f"study '{study.name}' was made by fracdse {study.version}; this is {__version__}",
            hint="Continue it with that version, or start a new one with --from to reuse what still fits.",
        )


def check_data(study: Study, data: StudyData) -> None:
    """Raise StudyError if the study learned from other data; a study without trials takes this data as its own."""
    known = data_fingerprint(study)
    if known is None:
        study.optuna_study.set_user_attr(_FINGERPRINT, data.fingerprint)
    elif known != data.fingerprint:
        raise StudyError(
            f"study '{study.name}' learned from other data than '{study.space.data.name}' holds now",
            hint="Give the folder that it began with by --data, or start a new study.",
        )


def check_same_space(study: Study, wanted: SearchSpace) -> None:
    """Raise StudyError if `wanted` would search something else than the study does.

    How many trials, by which sampler, and where the data lies may differ: none changes what a trial's figures mean.
    """
    ours, theirs = _essence(study.space), _essence(wanted)
    differing = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
    if differing:
        found = "; ".join(
            f"{key} is {_said(ours.get(key))} in the study and {_said(theirs.get(key))} now" for key in differing
        )
        raise StudyError(
            f"study '{study.name}' is of another space: {found}",
            hint="Leave the space out to continue the study as it is, or start a new one with --study NAME.",
        )


def _said(value: Any) -> str:
    return "not given" if value is None else toml_value(value)


def moved_data(study: Study, data_name: str | None) -> Study:
    """Return the study with its data at another place, if one is given; that it is the same is checked when driving."""
    if data_name is None:
        return study
    data = study.space.data.model_copy(update={"name": data_name})
    return replace(study, space=replace(study.space, data=data))


def _essence(space: SearchSpace) -> dict[str, Any]:
    """Return what a trial's figures depend on, by key paths such as 'network.width'."""
    plain = space.to_plain()
    plain["search"] = {"seed": plain["search"]["seed"]}
    plain["data"] = {"samples": plain["data"]["samples"]}
    essence: dict[str, Any] = {}
    for name, value in plain.items():
        essence |= {f"{name}.{key}": own for key, own in value.items()} if isinstance(value, dict) else {name: value}
    return essence
