"""Whether the path details below a timing summary are whole: the summary says which blocks must be there."""

from __future__ import annotations

import re

from fracdse.reports.figures import is_word
from fracdse.reports.source import ReportText
from fracdse.reports.vivado_timing_tables import read_table

_TABLES = ("Intra Clock Table", "Inter Clock Table", "Other Path Groups Table")
_UNCONSTRAINED_TABLES = ("User Ignored Path Table", "Unconstrained Path Table")
_BLOCKS = (
    ("WNS(ns)", "Max Delay Paths"),
    ("WHS(ns)", "Min Delay Paths"),
    ("WPWS(ns)", "Pulse Width Checks"),
)
# With this option of the command the report has only one of the two kinds of paths.
_LEFT_OUT = {"Max Delay Paths": "-delay_type min ", "Min Delay Paths": "-delay_type max "}
# In the heading of a group without constraints.
_ENDPOINTS = re.compile(r"(Max|Min) Delay +(\d+) Endpoints?\s*\Z")
_LEAVING_PATHS_OUT = ("-no_detailed_paths", "-slack_lesser_than", "-quiet", "-cells", "-path_type")


def require_whole_details(source: ReportText, sections: dict[str, int], command: str) -> None:
    """Check that the details hold a block for each slack of the summary's tables, and end behind a whole path.

    A group without constraints has a heading that says how many endpoints of each kind follow; one kind may have none.

    Args:
        source: The report.
        sections: Its sections, from `find_sections`.
        command: The command in its header; with options that leave paths out, or without a command, nothing is known
            about the details and they are not checked.

    Raises:
        ReportError: The details are cut off.
    """
    if "report_timing_summary" not in command or any(option in command for option in _LEAVING_PATHS_OUT):
        return
    rows = [row for title in _TABLES if title in sections for row in read_table(source, title, sections[title])]
    details = source.lines[sections["Timing Details"] :] if "Timing Details" in sections else []
    unconstrained = _UNCONSTRAINED_TABLES if "-report_unconstrained" in command else ()
    groups = sum(len(read_table(source, title, sections[title])) for title in unconstrained if title in sections)
    counted = {index: match for index, line in enumerate(details) if (match := _ENDPOINTS.match(line))}
    headings = sum(index - 1 not in counted for index in counted)
    if headings < groups:
        raise source.cut_off(f"it has {headings} groups without constraints of the {groups} that its summary speaks of")
    for column, block in _BLOCKS:
        if _LEFT_OUT.get(block, "\n") in f"{command} ":
            continue
        needed = sum(not is_word(row.get(column, "")) for row in rows)
        needed += sum(block.startswith(match[1]) and int(match[2]) > 0 for match in counted.values())
        found = sum(line.startswith(block) for line in details)
        if found < needed:
            raise source.cut_off(f"it has {found} blocks '{block}' of the {needed} that its summary speaks of")
    if _last(details, "Slack (") > _last(details, "slack "):
        raise source.cut_off("the last path has no row 'slack' at its end")


def _last(lines: list[str], start: str) -> int:
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].lstrip().startswith(start):
            return index
    return -1
