from pathlib import Path

import pytest

from fracdse.search.command_lines import command_lines, keep_command_line
from fracdse.search.study import create_study, open_study
from fracdse.space import parse_space

SPACE = {"name": "s", "data": {"name": "digits"}, "network": {"width": [4, 8]}, "objectives": {"accuracy": "maximize"}}


def test_command_lines_are_kept_in_order_and_without_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = create_study("s", parse_space(SPACE, "space"))
    assert command_lines(study) == []
    url = "postgresql://me:s3cret@127.0.0.1/db?sslpassword=s3cret"
    keep_command_line(study, ["fracdse", "search", "my space.toml", "--constraint", "lut<=0.5", "--storage", url])
    keep_command_line(study, ["fracdse", "search", "--resume", f"--storage={url}", "--address", "ray://host:10001"])
    kept = command_lines(open_study("s"))
    assert [line.text for line in kept] == [
        "fracdse search 'my space.toml' --constraint 'lut<=0.5' --storage 'postgresql://me:***@127.0.0.1/db'",
        "fracdse search --resume '--storage=postgresql://me:***@127.0.0.1/db' --address ray://host:10001",
    ]
    assert kept[0].given <= kept[1].given
    assert b"s3cret" not in (study.folder / "journal.log").read_bytes()
