"""Run the commands of a page and write what they print, and the pictures they make, into it.

    python docs/run_commands.py docs/tutorial.md                          # a few minutes
    python docs/run_commands.py README.md --section "Two commands"        # only what is below that heading
    python docs/run_commands.py README.md --section CIFAR-10 --folder F   # in F, where the data set is
    python docs/run_commands.py docs/tutorial.md --check                  # change nothing; fail where a command fails

A page is Markdown. In its fenced blocks `console`, each line that begins with `$ ` is run, in order, in one empty
folder; what stands below it is replaced by what it prints. Comments on a line of their own steer this:

    <!-- write: FILE -->           the next block is put into FILE in that folder, before the commands below it are run
    <!-- keep: 3 … 5 -->           of the next command's output, only the first 3 and the last 5 lines are shown
    <!-- columns: 100 -->          the width of the terminal from here on
    <!-- picture: FROM -->         the picture on the next line is a copy of FROM in that folder, or a photograph of it
                                   where it is a page (.html)
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

_DIRECTIVE = re.compile(r"<!-- (write|keep|columns|picture): (.+) -->")
_PICTURE = re.compile(r"!\[.*\]\((.+)\)")
_PAGE_SIZE = {"width": 1280, "height": 1100}
_LONGEST_RUN_S = 3600


class CommandFailed(Exception):
    """A command of the page did not exit with 0."""


@dataclass
class Runner:
    """Runs the commands of one page in `folder`; `page_folder` is where its pictures are."""

    folder: Path
    page_folder: Path
    columns: int = 100
    pending: dict[str, str] = field(default_factory=dict)

    def updated(self, lines: list[str], active: range) -> list[str]:
        """Return the page's lines with new output; only commands on the lines of `active` are run."""
        result: list[str] = []
        place = 0
        while place < len(lines):
            line = lines[place]
            if match := _DIRECTIVE.fullmatch(line.strip()):
                self.pending[match[1]] = match[2]
            elif line.startswith("```"):
                end = lines.index("```", place + 1)
                body = lines[place + 1 : end]
                result += [line, *self._block(line, body, place in active), "```"]
                place = end + 1
                continue
            elif (match := _PICTURE.fullmatch(line)) and "picture" in self.pending:
                self._picture(self.pending.pop("picture"), match[1], place in active)
            result.append(line)
            place += 1
        return result

    def _block(self, fence: str, body: list[str], active: bool) -> list[str]:
        if "columns" in self.pending:
            self.columns = int(self.pending.pop("columns"))
        if "write" in self.pending:
            name = self.pending.pop("write")
            if active:
                (self.folder / name).write_text("\n".join(body) + "\n", encoding="utf-8")
        keep = self.pending.pop("keep", None)
        if not active or fence != "```console":
            return body
        shown: list[str] = []
        for command in (line for line in body if line.startswith("$ ")):
            shown += [*([""] if shown else []), command, *_shortened(self._run(command[2:]), keep)]
        return shown

    def _run(self, command: str) -> list[str]:
        print(f"$ {command}", flush=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "COLUMNS": str(self.columns), "NO_COLOR": "1"}
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=environment, text=True, timeout=_LONGEST_RUN_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        print(done.stdout, flush=True)
        if done.returncode:
            raise CommandFailed(f"'{command}' exited with {done.returncode}:\n{done.stdout}")
        return [line.rstrip() for line in done.stdout.rstrip().splitlines()]

    def _picture(self, source: str, target: str, active: bool) -> None:
        if not active:
            return
        made, kept = self.folder / source, self.page_folder / target
        kept.parent.mkdir(parents=True, exist_ok=True)
        if made.suffix == ".html":
            _photograph(made, kept)
        else:
            shutil.copyfile(made, kept)


def _shortened(lines: list[str], keep: str | None) -> list[str]:
    """Return the first and last lines that `keep` ('3 … 5') asks for, and '…' between them."""
    if keep is None:
        return lines
    first, last = (int(part) for part in keep.split("…"))
    return lines if len(lines) <= first + last + 1 else [*lines[:first], "…", *lines[len(lines) - last :]]


def _photograph(page: Path, picture: Path) -> None:
    """Save how Chromium shows a report's page, with three trials of the front pinned."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=_PAGE_SIZE)
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector("html[data-ready=yes]")
        tab.screenshot(path=picture)
        browser.close()


def _below(lines: list[str], heading: str | None) -> range:
    """Return the numbers of the lines from a heading to the next one of its level; all lines without a heading."""
    if heading is None:
        return range(len(lines))
    start = next((i for i, line in enumerate(lines) if line.startswith("#") and line.lstrip("# ") == heading), None)
    if start is None:
        raise SystemExit(f"the page has no heading '{heading}'")
    level = lines[start].partition(" ")[0]
    end = next((i for i in range(start + 1, len(lines)) if lines[i].partition(" ")[0] == level), len(lines))
    return range(start, end)


def main() -> None:
    """Run the commands of one page."""
    parser = argparse.ArgumentParser(description="Run a page's commands and write what they print into it.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--section", help="only what is below this heading")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a command fails")
    parser.add_argument("--folder", type=Path, help="run the commands here, in place of an empty folder")
    options = parser.parse_args()
    text = options.page.read_text(encoding="utf-8")
    lines = text.splitlines()
    active = _below(lines, options.section)
    with tempfile.TemporaryDirectory() as empty:
        pictures = Path(empty) / "pictures" if options.check else options.page.resolve().parent
        runner = Runner(options.folder or Path(empty), pictures)
        try:
            new = "\n".join(runner.updated(lines, active)) + "\n"
        except CommandFailed as error:
            raise SystemExit(str(error)) from None
    if not options.check:
        options.page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
