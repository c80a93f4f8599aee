"""Build plans: a pure set of files with a digest, that can be written out, archived and run here or elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fracdse.build.archive import is_plain_name, packed
from fracdse.build.cache import digest_of
from fracdse.errors import BuildFailed
from fracdse.whole_file import write_whole

PLAN_DIGEST_FILE = "plan.sha256"


@dataclass(frozen=True)
class BuildPlan:
    """Files by relative name, `/` between folders. Equal files give an equal digest and an equal archive."""

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        for name in self.files:
            _check_name(name)
        object.__setattr__(self, "files", dict(sorted(self.files.items())))

    @property
    def digest(self) -> str:
        """SHA-256 of all names and contents, as 64 hexadecimal digits."""
        return digest_of(*(part for name, content in self.files.items() for part in (name, content)))

    @property
    def _digest_line(self) -> bytes:
        return f"{self.digest}\n".encode()

    def write(self, folder: Path) -> None:
        """Write the plan below a folder, with its digest; what else is there stays.

        Raises:
            BuildFailed: The folder holds another plan.
            OSError: The folder cannot be written.
        """
        marker = folder / PLAN_DIGEST_FILE
        if marker.exists() and marker.read_bytes().strip() != self.digest.encode():
            raise BuildFailed(
                f"{folder} holds another build plan", hint="Choose another folder with --out, or remove that one."
            )
        for name, content in self.files.items():
            target = folder / name
            if not target.is_file() or target.read_bytes() != content:
                write_whole(target, content)
        write_whole(marker, self._digest_line)

    def archive(self) -> bytes:
        """Return the plan and its digest as a .tar.gz without times, owners and other traces of where it was made."""
        return packed({**self.files, PLAN_DIGEST_FILE: self._digest_line})


def _check_name(name: str) -> None:
    if not is_plain_name(name) or name == PLAN_DIGEST_FILE:
        raise BuildFailed(f"'{name}' is no name for a file of a build plan; allowed: relative names without '..'")
