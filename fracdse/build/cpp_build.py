"""Compiling C++ files to objects and an executable, several at once, with a precompiled header."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fracdse.build.processes import run_tool, side_by_side
from fracdse.build.tools import Tool, checked_jobs


@dataclass(frozen=True)
class CppBuild:
    """A folder of C++ files and how to compile them.

    Attributes:
        compiler: The C++ compiler.
        folder: Where the files are and the objects go.
        flags: Options of every compiler call.
        jobs: Compilers at once; one a processor, as far as memory allows, where None.
        deadline: Time, on the monotonic clock, at which everything must be done.
    """

    compiler: Tool
    folder: Path
    flags: tuple[str, ...]
    jobs: int | None
    deadline: float

    def precompile(self, header: str, level: str) -> None:
        """Precompile a header for files of one optimisation level; a compiler that cannot use it ignores it."""
        target = self.folder / f"{header}.gch"
        target.mkdir(exist_ok=True)
        self._call([level, "-x", "c++-header", header, "-o", str(target / level.strip("-"))])

    def objects(self, sources: Sequence[tuple[Path, str]]) -> list[Path]:
        """Compile (file, optimisation level) pairs and return the objects, in the same order.

        Raises:
            ToolNotFound: The compiler cannot be started.
            BuildFailed: The compiler refuses a file or time runs out.
        """

        def compile_one(pair: tuple[Path, str]) -> Path:
            source, level = pair
            target = self.folder / f"{source.stem}.o"
            self._call([level, "-c", str(source), "-o", str(target)])
            return target

        largest_first = sorted(sources, key=lambda pair: -pair[0].stat().st_size)
        objects = side_by_side(compile_one, largest_first, checked_jobs(self.jobs))
        built = dict(zip(largest_first, objects, strict=True))
        return [built[pair] for pair in sources]

    def link(self, objects: Sequence[Path], target: Path) -> None:
        """Link objects to an executable.

        Raises:
            BuildFailed: The linker fails or time runs out.
        """
        self._call([*map(str, objects), "-pthread", "-latomic", "-o", str(target)])

    def _call(self, arguments: list[str]) -> None:
        left = max(1.0, self.deadline - time.monotonic())
        command = [*self.compiler.command, *self.flags, *arguments]
        run_tool(command, self.folder, "the C++ compiler", timeout_s=left)
