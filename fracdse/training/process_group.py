"""Join the processes of one training, as torchrun or Ray start them, into a team."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from fracdse.errors import ConfigError, TrainingError
from fracdse.training.device import computing_device
from fracdse.training.team import Team

# How long a process waits for the others, which are in step with it but for the speed of their machines.
_PATIENCE = timedelta(minutes=10)


class PartnerLost(TrainingError):
    """A process of the team cannot go on, most often because another one is gone."""


@dataclass(frozen=True)
class Place:
    """A process's place in a team: `rank` of `size` in all, `local_rank` of those on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    meeting_point: str = "env://"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Place:
        """Return the place that torchrun gave this process; that of a process by itself where there is no torchrun.

        Raises:
            ConfigError: The variables are no numbers, or do not fit each other.
        """
        if "WORLD_SIZE" not in environment or "RANK" not in environment or "MASTER_ADDR" not in environment:
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        try:
            rank, size, local = (int(environment.get(name, "0")) for name in names)
        except ValueError:
            rank, size, local = -1, 0, 0
        if not 0 <= rank < size:
            said = ", ".join(f"{name}={environment.get(name)!r}" for name in names)
            raise ConfigError(
                f"{said} give this process no place among others", hint="torchrun sets these variables; do not."
            )
        return cls(rank, size, local)


@contextmanager
def team_at(place: Place, device: str = "auto") -> Iterator[Team]:
    """Join the team for the length of a block.

    Processes exchange tensors by NCCL where they compute on GPUs, a GPU each, and by Gloo otherwise.

    Raises:
        ConfigError: There are more processes on this machine than GPUs.
        PartnerLost: Another process ended in the middle.
    """
    if place.size == 1:
        yield Team(device=computing_device(device))
        return
    where = _own_device(place, device)
    backend = "nccl" if where.type == "cuda" else "gloo"
    try:
        distributed.init_process_group(
            backend, init_method=place.meeting_point, rank=place.rank, world_size=place.size, timeout=_PATIENCE
        )
        with warnings.catch_warnings():
            # 1×1 and one-channel weights have no one layout; torch sees a difference where there is none.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            yield Team(place.rank, place.size, where)
    except RuntimeError as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PartnerLost(
            f"process {place.rank} of {place.size} cannot go on without the others: {said}",
            hint="The checkpoint of the last epoch is kept; continue with --resume.",
        ) from error
    finally:
        with suppress(RuntimeError, AssertionError, ValueError):
            distributed.destroy_process_group()


def _own_device(place: Place, device: str) -> torch.device:
    if device != "cpu" and torch.cuda.is_available():
        count = torch.cuda.device_count()
        if place.local_rank >= count:
            raise ConfigError(
                f"process {place.local_rank} of this machine has no GPU: there are {count}, and each process needs one",
                hint=f"Start {count} processes a machine, or compute with --device cpu.",
            )
        torch.cuda.set_device(place.local_rank)
    return computing_device(device)
