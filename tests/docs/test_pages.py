"""The pages: their links lead somewhere, their pictures can be drawn again, and their commands can be run again."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_of_a_page_exist(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert missing == []


def test_no_picture_is_left_over() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    unused = [file.name for file in (ROOT / "docs" / "images").iterdir() if f"images/{file.name}" not in text]
    assert unused == []


def test_the_pictures_of_how_it_works_are_drawn_by_their_script(tmp_path: Path) -> None:
    drawn = {file.name for file in loaded("draw_pictures").draw(tmp_path)}
    page = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    assert drawn == set(re.findall(r"images/(how-[a-z-]+\.svg)", page))


PAGE = """# Page

<!-- columns: 72 -->
<!-- write: three.py -->
```python
print("one\\ntwo\\nthree\\nfour")
```

<!-- keep: 1 … 1 -->
```console
$ python three.py
old
```

## Later

```console
$ echo $COLUMNS > width.txt
$ cat width.txt
old
```

<!-- picture: width.txt -->
![A picture](images/copy.png)
"""


def test_commands_are_run_and_their_output_put_into_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    command = [sys.executable, str(ROOT / "docs" / "run_commands.py"), str(page)]
    subprocess.run(command, check=True, capture_output=True)
    text = page.read_text(encoding="utf-8")
    assert "$ python three.py\none\n…\nfour\n```" in text
    assert "$ echo $COLUMNS > width.txt\n\n$ cat width.txt\n72\n```" in text
    assert (tmp_path / "images" / "copy.png").read_text(encoding="utf-8") == "72\n"
    page.write_text(text.replace("four\n```", "stale\n```"), encoding="utf-8")
    subprocess.run([*command, "--section", "Later"], check=True, capture_output=True)
    assert "stale" in page.read_text(encoding="utf-8"), "above the section"


def test_a_failing_command_stops_the_run_and_leaves_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = PAGE.replace("python three.py", "exit 3")
    page.write_text(text, encoding="utf-8")
    command = [sys.executable, str(ROOT / "docs" / "run_commands.py"), str(page)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "'exit 3' exited with 3" in done.stderr
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_every_command_of_the_tutorial_works() -> None:
    command = [sys.executable, "docs/run_commands.py", "docs/tutorial.md", "--check"]
    subprocess.run(command, check=True, cwd=ROOT)
