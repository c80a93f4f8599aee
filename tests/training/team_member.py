"""One process of a team, started by test_training_team.py: trains every case and writes what it found as tensors."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from training_cases import blobs, small_design

from fracdse.design import Design
from fracdse.errors import FracdseError
from fracdse.network.folder import save_tensors
from fracdse.network.network import build_network
from fracdse.training.data import Dataset
from fracdse.training.objective import Objective
from fracdse.training.phases import phases_of, teacher_phases
from fracdse.training.process_group import Place, team_at
from fracdse.training.recipe import Recipe
from fracdse.training.run import TrainingRun
from fracdse.training.team import Team

ONE_STEP = {"epochs": 2, "real_epochs": 0, "batch_size": 31, "augmentation": "flip and crop"}
# Each is one step on one batch of 31 images, which neither two nor three processes share evenly.
CASES: dict[str, dict[str, Any]] = {
    "binary": {},
    "real weights": {"recipe": {"real_epochs": 2}},
    "shortcut": {"network": {"si_width": 2}},
    "powers of two": {"network": {"power_of_two": True}},
    "without batch norms": {"network": {"batch_norm": False}},
    "distilled": {"teacher": True, "recipe": {"block_loss": "l2", "logit_weight": 1.0}},
    "distilled by stages": {"teacher": True, "recipe": {"block_loss": "attention", "distillation_order": "stage-wise"}},
}


def case_of(name: str) -> tuple[Design, Dataset, Recipe, bool]:
    """Return the design, the data and the recipe of a case, and whether it has a teacher."""
    case, data = CASES[name], blobs(31, size=16)
    design = small_design(data)
    design = replace(design, network=replace(design.network, **case.get("network", {})))
    return design, data, Recipe(**{**ONE_STEP, **case.get("recipe", {})}), bool(case.get("teacher"))


def one_step(name: str, team: Team) -> dict[str, Tensor]:
    """Train one step and return what it changed: running statistics and the gradients, as Adam has them."""
    design, data, recipe, taught = case_of(name)
    teacher = None
    if taught:
        torch.manual_seed(7)
        teacher = build_network(design, binary=False)
    run = TrainingRun(design, data, recipe, phases_of(recipe)[:1], 3, name, teacher, team=team)
    record = run.train_epoch(None)
    state = run.state()
    names = [name for name, _ in run.network.named_parameters()]
    gradients = {names[index]: adam["exp_avg"] for index, adam in state.optimiser["state"].items()}
    buffers = {f"buffer {key}": value.double() for key, value in run.network.named_buffers()}
    measured = torch.tensor([record.loss, record.train_accuracy])
    return {**gradients, **buffers, "measured": measured}


def float_epochs(team: Team) -> dict[str, Tensor]:
    """Train a float network, in which nothing jumps, for three epochs and return what was measured."""
    data = blobs(200, size=16)
    recipe = Recipe(epochs=3, real_epochs=0, batch_size=31, augmentation="flip and crop")
    run = TrainingRun(small_design(data), data, recipe, teacher_phases(recipe), 3, "float", team=team)
    records = [run.train_epoch(data) for _ in range(3)]
    validation = [record.validation_accuracy or 0.0 for record in records]
    return {"losses": torch.tensor([record.loss for record in records]), "validation": torch.tensor(validation)}


def bad_loss(team: Team) -> str:
    """Let the loss of the last process be no number in its second step, and return what this process says."""
    data = blobs(124, size=16)
    recipe = Recipe(epochs=1, real_epochs=0, batch_size=31)
    run = TrainingRun(small_design(data), data, recipe, phases_of(recipe), 3, "bad", team=team)
    whole, calls = Objective.loss, []

    def broken(self: Objective, *arguments: Any) -> tuple[Tensor, Tensor]:
        loss, logits = whole(self, *arguments)
        calls.append(None)
        return (loss * float("nan") if len(calls) == 2 and team.rank == team.size - 1 else loss), logits

    Objective.loss = broken  # type: ignore[method-assign]
    try:
        run.train_epoch(None)
    except FracdseError as error:
        return error.message
    finally:
        Objective.loss = whole  # type: ignore[method-assign]
    return "nothing"


def main() -> None:
    """Join the team of the environment and write everything into the folder given."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    with team_at(Place.from_environment(), "cpu") as team:
        found = {name: one_step(name, team) for name in CASES}
        found["float"] = float_epochs(team)
        said = {"nan": bad_loss(team)}
        try:
            team.check_same(f"{team.rank:016x}")
        except FracdseError as error:
            said["other data"] = error.message
    if team.leads:
        save_tensors(folder / "found.pt", found)
    (folder / f"said-{team.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
