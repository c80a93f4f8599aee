"""The reference pages are what the code says now."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_reference", DOCS / "generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.mark.parametrize("name", ["reference-search-space.md", "reference-columns.md", "reference-commands.md"])
def test_committed_pages_are_current(generator, name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == generator.pages()[name], "run: python docs/generate_reference.py"


def test_the_variables_named_are_those_that_the_code_reads(generator) -> None:
    read = set()
    for file in (DOCS.parent / "fracdse").rglob("*.py"):
        read |= set(re.findall(r"environ\.get\(\"(FRACDSE_\w+)\"", file.read_text(encoding="utf-8")))
    assert read == {name for name in generator.texts.VARIABLES if name.startswith("FRACDSE_")}


def test_every_text_is_used(generator) -> None:
    pages = "".join(generator.pages().values())
    texts = generator.texts
    tables = (texts.DATA, texts.SEARCH, texts.NETWORK, texts.ACCELERATOR, texts.RECIPE, texts.FIGURES, texts.COLUMNS)
    unused = [name for table in tables for name in table if f"`{name}`" not in pages]
    assert unused == []
