"""`make setup` says what it does, how far it is, and in a sentence why it failed."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

import install
from install import Progress
from tests.deployment.wheels import Shelf
from tests.processes import free_port
from tests.sources import ROOT

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout whose two packages are wheels beside it."""
    for name in ("Makefile", "install.py"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("pyproject.toml", "requirements.txt"):
        (tmp_path / name).touch()
    (tmp_path / "requirements-dev.txt").write_text("first\nsecond\n")
    shelf = Shelf(tmp_path)
    for name in ("first", "second"):
        shelf.wheel(name, "py3-none-any")
    return tmp_path


def make_setup(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    machine = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    environ = {**machine, "PIP_CONFIG_FILE": os.devnull, **variables}
    return subprocess.run(["make", "setup"], cwd=folder, env=environ, capture_output=True, text=True, timeout=120)  # noqa: S607


@pytest.mark.process
@pytest.mark.slow
@needs_make
def test_a_set_up_says_what_it_does_and_how_long_it_takes(folder: Path) -> None:
    ended = make_setup(folder, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(folder / "wheels"))
    assert (ended.returncode, ended.stderr) == (0, "")
    first, installing, done = ended.stdout.splitlines()
    assert first == "Setting up .venv, once: about 120 packages, 600 MB, one to three minutes."
    assert installing.endswith(" s  installing 2 packages, which takes longest")
    assert done.startswith("Done in ")
    assert "Successfully installed first-1.0 second-1.0" in (folder / ".venv" / "pip.log").read_text()
    assert make_setup(folder).stdout.splitlines() in ([], ["make: Nothing to be done for 'setup'."])


@pytest.mark.process
@pytest.mark.slow
@needs_make
def test_without_a_package_index_it_ends_in_a_sentence_and_can_be_repeated(folder: Path) -> None:
    ended = make_setup(folder, PIP_INDEX_URL=f"http://127.0.0.1:{free_port()}/simple", PIP_RETRIES="1")
    assert ended.returncode == 2
    *_, last = ended.stdout.splitlines()
    assert last.startswith("No package index can be reached, so the packages are not installed: connect to the network")
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not (folder / ".venv" / ".ready").exists()


@pytest.mark.process
def test_another_failure_of_pip_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "LOG", tmp_path / "pip.log")
    out = io.StringIO()
    assert install.install(["--no-index", "--find-links", str(tmp_path), "nowhere-to-be-found"], out) == 1
    assert "No matching distribution found for nowhere-to-be-found" in out.getvalue()
    assert out.getvalue().endswith(f"pip could not install the packages. All it said is in {tmp_path / 'pip.log'}.\n")


def test_a_terminal_sees_one_line_that_changes() -> None:
    read, write = pty.openpty()
    with open(write, "w") as terminal:
        progress = Progress(terminal)
        progress.take("Collecting boto3>=1.33 (from -r requirements.txt)\n")
        progress.show()
        progress.take("  Collecting moto[server]<6,>=5.2\n")
        progress.show()
        progress.end()
    shown = ""
    with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
        while part := os.read(read, 4096):
            shown += part.decode()
    os.close(read)
    assert shown == "\r   0 s  package 1: boto3\033[K\r   0 s  package 2: moto\033[K\r\033[K"


def test_elsewhere_there_is_a_line_now_and_then() -> None:
    progress = Progress(out := io.StringIO())
    for number in range(45):
        progress.take(f"Collecting package-{number}\n")
        progress.show()
    assert out.getvalue() == "   0 s  package 20: package-19\n   0 s  package 40: package-39\n"
