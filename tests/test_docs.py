"""Every example of the README and of docs/ is run: tests as tests, commands as commands, with the output shown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import ROOT, Served, process, sessionplugin_serve

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS_A_SERVER = "127.0.0.1:800"


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> Iterator[Example]:
    for page in PAGES:
        content = page.read_text()
        for found in BLOCK.finditer(content):
            yield Example(page.name, content.count("\n", 0, found.start()) + 2, found.group(1), found.group(2))


EXAMPLES = list(examples())
TESTS = [one for one in EXAMPLES if one.language == "python"]
SESSIONS = [
    one
    for one in EXAMPLES
    if one.language == "console" and not one.text.startswith(("$ make", "$ pip", "$ sessionplugin"))
]


def test_every_example_is_of_a_kind_that_is_run() -> None:
    assert {one.language for one in EXAMPLES} <= {"python", "console", "toml", "json"}
    assert TESTS
    assert SESSIONS


@pytest.mark.parametrize("example", TESTS, ids=str)
def test_a_test_in_the_docs_passes_as_it_stands(example: Example, tmp_path: Path) -> None:
    path = tmp_path / "test_example.py"
    path.write_text(example.text)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"\b[1-9]\d* passed", run.stdout), run.stdout


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with sessionplugin_serve(ROOT, "--control-port", "0") as served:
        yield served


def matches(shown: str, real: str) -> bool:
    """Whether output is as shown, where `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, real.strip(), re.DOTALL) is not None


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands shown use curl, which this machine lacks")
@pytest.mark.parametrize("example", SESSIONS, ids=str)
def test_commands_in_the_docs_print_what_is_shown(example: Example, served: Served) -> None:
    assert served.control is not None
    here = example.text.replace("http://127.0.0.1:8000", served.http).replace("ws://127.0.0.1:8001", served.websocket)
    here = here.replace("http://127.0.0.1:8002", served.control)
    here = here.replace(".venv/bin/python", sys.executable)  # before a command that has it in its own path
    here = here.replace(".venv/bin/sessionplugin", f"{sys.executable} -m pytest_sessionplugin")
    steps = [step.partition("\n") for step in re.split(r"^\$ ", here, flags=re.MULTILINE) if step]
    mark = "-- the next command --"
    script = f"\necho; echo '{mark}'\n".join(command for command, _, _ in steps)
    run = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)  # noqa: S607
    outputs = run.stdout.split(mark)
    assert len(outputs) == len(steps), run.stdout + run.stderr
    for (command, _, shown), real in zip(steps, outputs, strict=True):
        assert matches(shown, real), f"$ {command}\nshown: {shown}\nreal: {real}\n{run.stderr}"


def test_make_serve_prints_what_is_shown() -> None:
    shown = next(one.text for one in EXAMPLES if one.text.startswith("$ make serve")).partition("\n")[2]
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(ROOT)]
    with process([*command, "--http-port", "0", "--websocket-port", "0"]) as started:
        assert started.stdout is not None
        lines = [started.stdout.readline() for _ in shown.strip().splitlines()]
    real = re.sub(r"eyJ[\w.-]+", "eyJ…", "".join(lines))
    real = re.sub(r"http://127\.0\.0\.1:\d+/api", "http://127.0.0.1:8001/api", real)
    real = re.sub(r"http://127\.0\.0\.1:\d+\b(?!/api)", "http://127.0.0.1:8000", real)
    real = re.sub(r"ws://127\.0\.0\.1:\d+", "ws://127.0.0.1:8001", real)
    real = re.sub(r"(?m)(^| |: )\S*sessionplugin (token|connect)", r"\1.venv/bin/sessionplugin \2", real)
    assert real.strip() == shown.strip()
