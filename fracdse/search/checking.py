"""Check a study: does its folder hold together, is every trial accounted for, once?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from fracdse.errors import FracdseError
from fracdse.search.journal import JOURNAL_NAME
from fracdse.search.journal_entries import parsed_entry
from fracdse.search.params import params_key
from fracdse.search.resuming import INTERRUPTED, WORKER_DIED
from fracdse.search.study import META_NAME, Study, open_study
from fracdse.search.trial_facts import RESULT, RETRY_OF, START, VOID, to_record

Severity = Literal["note", "error"]


@dataclass(frozen=True)
class Finding:
    """Something about a study that its owner should know; an error is something that `repair` is for."""

    severity: Severity
    text: str


def check_study(folder: Path, storage_url: str | None = None) -> list[Finding]:
    """Return what is wrong with or remarkable about the study in `folder`; an empty list is a clean study.

    Raises:
        FracdseError: A study without a journal, which `repair` cannot mend, cannot be opened.
    """
    findings = check_journal(folder / JOURNAL_NAME) if (folder / JOURNAL_NAME).exists() else []
    if not (folder / META_NAME).is_file():
        findings.append(Finding("error", f"{META_NAME} is missing"))
    if any(finding.severity == "error" for finding in findings):
        return findings
    try:
        study = open_study(folder, storage_url)
    except FracdseError as error:
        if not (folder / JOURNAL_NAME).exists():
            raise
        return [*findings, Finding("error", error.message)]
    return findings + check_trials(study)


def check_journal(path: Path) -> list[Finding]:
    """Return the damaged lines of a journal."""
    findings = []
    content = path.read_bytes()
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        if not is_entry(line):
            findings.append(Finding("error", f"{JOURNAL_NAME}, line {number}: damaged"))
    if content and not content.endswith(b"\n"):
        findings.append(Finding("note", f"{JOURNAL_NAME}: the last line was torn; the next search sets it aside"))
    return findings


def is_entry(line: bytes) -> bool:
    """Tell whether a line of a journal is an entry."""
    try:
        parsed_entry(line)
    except ValueError:
        return False
    return True


def check_trials(study: Study) -> list[Finding]:
    """Return what does not hold among the trials of a study."""
    trials = study.optuna_study.get_trials(deepcopy=False)
    findings = [finding for trial in trials for finding in _check_trial(trial)]
    findings += _check_doubles(trials)
    running = [trial.number for trial in trials if trial.state == TrialState.RUNNING]
    waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
    if running:
        findings.append(Finding("note", f"running, or interrupted and run again on --resume: trials {_list(running)}"))
    if waiting:
        findings.append(Finding("note", f"waiting to be run again: trials {_list(waiting)}"))
    return findings


def _check_trial(trial: FrozenTrial) -> list[Finding]:
    if trial.state.is_finished() and VOID not in trial.user_attrs:
        if START not in trial.user_attrs or RESULT not in trial.user_attrs:
            return [Finding("error", f"trial {trial.number} is finished, but its facts are missing")]
        stored = trial.user_attrs[RESULT].get("state")
        if (trial.state == TrialState.COMPLETE) != (stored == "complete"):
            return [
                Finding("error", f"trial {trial.number} is {trial.state.name.lower()}, but its result is {stored!r}")
            ]
    try:
        record = to_record(trial, {})
        if record is not None and record.gates is not None and not record.gates.layers:
            return [Finding("error", f"trial {trial.number} has gate statistics without layers")]
    except FracdseError as error:
        return [Finding("error", error.message)]
    return []


def _check_doubles(trials: list[FrozenTrial]) -> list[Finding]:
    retries = Counter(
        trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs and VOID not in trial.user_attrs
    )
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    findings = [
        Finding("error", f"interrupted trial {trial.number} was not put back")
        for trial in trials
        if trial.user_attrs.get(VOID) in (INTERRUPTED, WORKER_DIED)
        and START in trial.user_attrs
        and trial.number not in retried
    ]
    findings += [
        Finding("error", f"interrupted trial {number} was run again {count} times")
        for number, count in retries.items()
        if count > 1
    ]
    live = [trial for trial in trials if START in trial.user_attrs and VOID not in trial.user_attrs]
    designs = Counter(params_key(trial.params) for trial in live)
    for key, count in designs.items():
        if count > 1:
            numbers = [trial.number for trial in live if params_key(trial.params) == key]
            findings.append(Finding("error", f"trials {_list(numbers)} have the same design"))
    return findings


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
