"""The wheel, built once; virtual environments that extend each other; copies of folders to run in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from tests.packaging.environment import Environment

REPOSITORY = Path(__file__).parents[2]
MADE_HERE = shutil.ignore_patterns("__pycache__", ".pytest_cache", "local", "deployed", "deployments")
CLONED = ["app.py", "chalicelib", ".chalice", ".gitignore"]  # the service
CLONED += ["requirements.in", "requirements.lock", "requirements.txt"]
CLONED += ["conftest.py", "contracts", "pyproject.toml", "pytest_sessionplugin", "tests"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Deleted at the end: the environments are large."""
    folder = tmp_path_factory.mktemp("packaging")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    built = subprocess.run([*command, str(REPOSITORY)], capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def distribution(wheel: Path) -> Distribution:
    """Metadata of the wheel."""
    [distribution] = distributions(path=[str(wheel)])
    return distribution


@pytest.fixture(scope="session")
def dependencies(folder: Path, distribution: Distribution) -> Environment:
    """An environment with the wheel's requirements, without the wheel."""
    environment = Environment(folder / "dependencies")
    environment.install(*(line for line in distribution.requires or [] if "extra ==" not in line))
    return environment


@pytest.fixture(scope="session")
def contracts(folder: Path, distribution: Distribution) -> Environment:
    """An environment with the requirements of the extra alone, which a checkout's own tests are held to."""
    environment = Environment(folder / "contracts")
    environment.install(*(line.partition(";")[0] for line in distribution.requires or [] if "'contracts'" in line))
    return environment


@pytest.fixture(scope="session")
def plain(folder: Path, dependencies: Environment, wheel: Path) -> Environment:
    """An environment with the wheel, without extras."""
    environment = Environment(folder / "plain", dependencies)
    environment.install(str(wheel))
    return environment


@pytest.fixture(scope="session")
def with_sockets(folder: Path, plain: Environment, wheel: Path) -> Environment:
    environment = Environment(folder / "sockets", plain)
    environment.install(f"{wheel}[sockets]")
    return environment


@pytest.fixture(scope="session")
def with_xdist(folder: Path, with_sockets: Environment) -> Environment:
    environment = Environment(folder / "xdist", with_sockets)
    environment.install("pytest-xdist")
    return environment


@pytest.fixture
def downstream(tmp_path: Path) -> Path:
    """Another team's project, outside this checkout."""
    return shutil.copytree(REPOSITORY / "examples" / "downstream", tmp_path / "auction", ignore=MADE_HERE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh clone of this checkout."""
    return copy_of_the_checkout(tmp_path / "checkout")


def copy_of_the_checkout(folder: Path) -> Path:
    """Copies the files that a clone would have if everything were committed: none that git ignores."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *CLONED]
    run = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in run.stdout.split("\0"):
        if name and (REPOSITORY / name).exists():  # else deleted, and not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    return folder
