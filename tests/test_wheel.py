"""The wheel, installed in a fresh environment away from the repository, has all that the commands need."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the built wheel; the dependencies are this environment's, by their path alone."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=REPOSITORY)
    wheel = next(folder.glob("fracdse-*.whl"))
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    site = Path(
        run(environment / "bin/python", "-c", "import site; print(site.getsitepackages()[0])", cwd=folder).strip()
    )
    # A plain path does not run the .pth files of that folder, so the repository's editable install is not seen.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        site,
        wheel,
        cwd=folder,
    )
    return environment / "bin/python"


def test_the_package_is_the_wheels(fresh_python: Path, tmp_path: Path) -> None:
    origin = run(fresh_python, "-c", "import fracdse; print(fracdse.__file__)", cwd=tmp_path).strip()
    assert not Path(origin).is_relative_to(REPOSITORY)


def test_spaces_and_models_are_found_in_the_wheel(fresh_python: Path, tmp_path: Path) -> None:
    listing = """
from fracdse.data_files import data_folder
for folder in (data_folder("search_spaces"), data_folder("hw_models") / "devices"):
    print(*(path.name for path in folder.iterdir()))
"""
    names = run(fresh_python, "-c", listing, cwd=tmp_path).split()
    assert {"digits.toml", "cifar10.toml", "imagenet.toml", "ultra96v2.toml"} <= set(names)


def test_an_estimate_needs_nothing_but_the_wheel(fresh_python: Path, tmp_path: Path) -> None:
    (tmp_path / "design.toml").write_text('name = "one"\n[data]\nname = "digits"\n[network]\ndepth = 8\nwidth = 4\n')
    figures = run(fresh_python, "-m", "fracdse", "estimate", "design.toml", "--json", cwd=tmp_path)
    assert '"lut"' in figures
