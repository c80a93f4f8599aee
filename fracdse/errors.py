"""The errors that fracdse raises: each names the value, what is allowed, and how to go on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every fracdse command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INFEASIBLE = 3
    TOOL_MISSING = 4
    BUILD_FAILED = 5
    BOARD_MISMATCH = 6


class FracdseError(Exception):
    """Base of all errors of this package.

    Args:
        message: What is wrong, with the offending value and what is allowed.
        hint: What the user can do next, as a full sentence; may be empty.
    """

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[FracdseError], message: str, hint: str) -> FracdseError:
    return kind(message, hint=hint)


class ConfigError(FracdseError):
    """A search space, a design file or an option is wrong."""

    exit_code = ExitCode.USAGE


class DataError(FracdseError):
    """A data set is missing, damaged or not usable."""


class TrainingError(FracdseError):
    """A training run cannot go on, for example because its loss is not a number."""


class ProgramError(FracdseError):
    """An integer program or its file is damaged, of another version or out of its word lengths."""


class InfeasibleError(FracdseError):
    """No design meets the constraints or fits the device."""

    exit_code = ExitCode.INFEASIBLE


class ToolNotFound(FracdseError):
    """A program or package that this step needs is not installed."""

    exit_code = ExitCode.TOOL_MISSING


class BuildFailed(FracdseError):
    """A tool ran and failed, or its result is not usable."""

    exit_code = ExitCode.BUILD_FAILED


class ReportError(FracdseError):
    """A tool's report cannot be read."""


class StudyError(FracdseError):
    """A study is missing, damaged, locked or does not belong to the given space."""


class BoardError(FracdseError):
    """The board does not answer, or does not compute what it should."""

    exit_code = ExitCode.BOARD_MISMATCH


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ' (did you mean 'x'?)' for the known word closest to `word` in whatever case, or an empty string."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean '{folded[close[0]]}'?)" if close else ""
