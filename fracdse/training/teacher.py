"""The teacher of a distillation: a given network, or the float twin of the same topology, trained once and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from fracdse.design import Design
from fracdse.errors import DataError
from fracdse.network.folder import load_network
from fracdse.network.network import FractionalNetwork, build_network
from fracdse.topology import block_shapes
from fracdse.training.checkpoint import run_name
from fracdse.training.data import Dataset
from fracdse.training.phases import teacher_phases
from fracdse.training.recipe import Recipe
from fracdse.training.run import Progress, TrainingRun
from fracdse.training.teacher_cache import keep_teacher, note_use, read_teacher, teacher_place
from fracdse.training.team import ALONE, Team


def teacher_for(
    design: Design,
    train_set: Dataset,
    recipe: Recipe,
    seed: int,
    cache: Path | None,
    progress: Progress | None,
    device: torch.device,
    team: Team = ALONE,
) -> FractionalNetwork | None:
    """Return the teacher that a recipe asks for, or None if it asks for none.

    A float twin is trained on demand; with a folder `cache` it is kept there under a name made from all that decides
    it, and found again, by other processes as well.

    Raises:
        DataError: The given teacher cannot be read or its blocks have other shapes than the design's.
        TrainingError: Training the twin failed.
    """
    if not recipe.needs_teacher:
        return None
    if recipe.teacher:
        return _given(Path(recipe.teacher), design, blocks=recipe.block_loss != "none").to(device)
    twin, settings = _twin_design(design), _twin_recipe(recipe)
    name = run_name(twin, settings, train_set, seed)
    with teacher_place(cache if team.leads else None, name) as place:
        with team.shared_file(place) as found:
            network = build_network(twin, binary=False)
            if found is not None and read_teacher(found, network):
                if place is not None:
                    note_use(place)
                return network.to(device)
        run = TrainingRun(twin, train_set, settings, teacher_phases(settings), seed, name, device=device, team=team)
        while not run.done:
            record = run.train_epoch(None)
            if progress is not None:
                progress(record)
        if place is not None:
            keep_teacher(place, run.network)
        return run.network


def _twin_design(design: Design) -> Design:
    """Return the design whose float network teaches: what only binary layers need is left out, so that it is shared."""
    plain = replace(
        design.network,
        gate_threshold=0.0,
        si_width=0,
        shortcut_bits=0,
        elastic_link=False,
        power_of_two=False,
        batch_norm=True,
        clip_bits=0,
        codebook_bits=0,
    )
    return Design(design.image, plain)


def _twin_recipe(recipe: Recipe) -> Recipe:
    """Return what decides the twin's training: the plain settings, without anything about the student."""
    (phase,) = teacher_phases(recipe)
    return Recipe(
        teacher_epochs=phase.epochs,
        batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        augmentation=recipe.augmentation,
    )


def _given(folder: Path, design: Design, *, blocks: bool) -> FractionalNetwork:
    """Read a teacher; only where `blocks` are matched must it have those of the design."""
    teacher = load_network(folder)
    own, theirs = (block_shapes(each) for each in (design, teacher.design))
    if teacher.design.image != design.image or (blocks and own != theirs):
        raise DataError(
            f"the teacher in '{folder}' has blocks of shapes {theirs}, images {teacher.design.image}; "
            f"this design has {own}, {design.image}",
            hint="Give a teacher for the same images and, for block_loss, of the same body, depth and width; or leave "
            "it out to train the float twin.",
        )
    return teacher
