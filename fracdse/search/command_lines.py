"""The command lines that searched a study, kept with it: whoever looks at its results sees how they were made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fracdse.search.storage import redacted

if TYPE_CHECKING:
    from fracdse.search.study import Study

_PREFIX = "command:"
_ADDRESS = re.compile(r"(--[\w-]+=)?([a-z][a-z0-9+.-]*://.*)\Z")


@dataclass(frozen=True)
class CommandLine:
    """A command as it was typed, without passwords, and when it was given (UTC, ISO 8601)."""

    given: str
    text: str


def keep_command_line(study: Study, words: Sequence[str]) -> None:
    """Keep a command line, its first word the program's name, with a study."""
    text = shlex.join(_without_password(word) for word in words)
    study.optuna_study.set_user_attr(_PREFIX + datetime.now(UTC).isoformat(), text)


def command_lines(study: Study) -> list[CommandLine]:
    """Return the command lines kept with a study, the oldest first."""
    kept = sorted((key, str(text)) for key, text in study.optuna_study.user_attrs.items() if key.startswith(_PREFIX))
    return [CommandLine(key.removeprefix(_PREFIX)[:19], text) for key, text in kept]


def _without_password(word: str) -> str:
    match = _ADDRESS.match(word)
    return (match[1] or "") + redacted(match[2]) if match else word
