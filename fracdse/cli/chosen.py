"""The trial that a command is about: 'best' by a rule, or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fracdse.cli.options import check_goes_with
from fracdse.errors import ConfigError

if TYPE_CHECKING:
    from fracdse.results.choose import Choice
    from fracdse.search.study import Study


def chosen_trial(study: Study, trial: str, rule: str) -> Choice:
    """Return the trial that 'best' or a number means; the running command has an option --by for the rule.

    Raises:
        UsageError: A rule was given for a number.
        ConfigError: `trial` is neither, or the rule is unknown.
        StudyError: There is no such trial.
        InfeasibleError: 'best' of a study without a feasible trial.
    """
    from fracdse.results.choose import Choice, choose

    if trial == "best":
        return choose(study.records(), rule, study.space.objectives)
    if not trial.isdecimal():
        raise ConfigError(
            f"'{trial}' is neither 'best' nor a trial's number", hint=f"List them: fracdse report {study.name}"
        )
    check_goes_with({"by": "--by"}, "'best'")
    return Choice(study.record(int(trial)), f"trial {trial}", ())
