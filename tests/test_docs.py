"""Every example of the README and of docs/ runs: tests as tests, projects in an empty folder, commands as commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.processes import ROOT, Served, process, sessionplugin_serve

pytestmark = pytest.mark.process

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TUTORIAL = "tutorial.md"
BLOCK = re.compile(r"^(?:`([^`\n]+)`:\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    file: str | None  # of a project that the page builds, named in the line before
    language: str
    text: str

    @property
    def module(self) -> str:
        return f"test_{re.sub('[^a-z]', '_', self.page.removesuffix('.md').lower())}_{self.line}"

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> Iterator[Example]:
    for page in PAGES:
        content = page.read_text()
        for found in BLOCK.finditer(content):
            name = page.relative_to(DOCS).as_posix() if DOCS in page.parents else page.name
            yield Example(name, content.count("\n", 0, found.start(3)) + 1, *found.groups())


EXAMPLES = list(examples())
TESTS = [one for one in EXAMPLES if one.language == "python" and one.file is None]
FILES = [one for one in EXAMPLES if one.file is not None]
SESSIONS = [
    one
    for one in EXAMPLES
    if one.language == "console" and not one.text.startswith(("$ make", "$ pip", "$ sessionplugin"))
]


def test_every_example_is_of_a_kind_that_is_run() -> None:
    assert {one.language for one in EXAMPLES} <= {"python", "console", "toml", "json", "sh"}
    assert TESTS
    assert SESSIONS


@pytest.mark.parametrize("page", sorted({one.page for one in TESTS}))
def test_the_tests_of_a_page_pass_as_they_stand(page: str, tmp_path: Path) -> None:
    """In one process, since each process would pay for the imports; each example is a file of its own."""
    here = {one.module: one for one in TESTS if one.page == page}
    for module, example in here.items():
        (tmp_path / f"{module}.py").write_text(example.text)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    report = tmp_path / "report.xml"
    command += ["-p", "no:cacheprovider", f"--junit-xml={report}", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  written by pytest
    passed = Counter(case.attrib["classname"].rpartition(".")[2] for case in cases if len(case) == 0)
    assert set(passed) == set(here), f"{[str(here[each]) for each in set(here) - set(passed)]} ran no test"


@pytest.mark.parametrize("page", sorted({one.page for one in FILES}))
def test_the_project_of_a_page_runs_as_pasted_into_an_empty_folder(page: str, tmp_path: Path) -> None:
    """A page without an app of its own goes on from the tutorial's project."""
    here = [one for one in FILES if one.page == page]
    assert [name for name, times in Counter(one.file for one in here).items() if times > 1] == []
    first = [] if any(one.file == "app.py" for one in here) else [one for one in FILES if one.page == TUTORIAL]
    for one in (*first, *here):
        path = tmp_path / str(one.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one.text)
    shown = [one for one in EXAMPLES if one.page == page and "\n$ pytest\n" in one.text]
    commands = re.findall(r"^\$ (?!pip )(.+)$", shown[0].text, re.MULTILINE) if shown else ["pytest"]
    if not shown:
        (tmp_path / ".chalice").mkdir(exist_ok=True)
        config = tmp_path / ".chalice" / "config.json"
        config.exists() or config.write_text('{"version": "2.0", "app_name": "room"}')
    environ = {
        name: of for name, of in os.environ.items() if not name.startswith(("SESSIONPLUGIN_", "AWS_", "PYTEST_"))
    }
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        run = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True)  # noqa: S607
        assert run.returncode == 0, f"$ {command}\n{run.stdout}{run.stderr}"
        if command.startswith("pytest"):
            assert re.search(r"=\s[1-9]\d* passed in", run.stdout), run.stdout


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with sessionplugin_serve(ROOT, "--control-port", "0", "--aws-port", "0") as served:
        yield served


def matches(shown: str, real: str) -> bool:
    """Whether output is as shown; `…` matches anything."""
    pattern = ".*?".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, real.strip(), re.DOTALL) is not None


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands shown use curl, which this machine lacks")
@pytest.mark.parametrize("example", SESSIONS, ids=str)
def test_commands_in_the_docs_print_what_is_shown(example: Example, served: Served) -> None:
    assert served.control is not None
    here = example.text.replace("http://127.0.0.1:8000", served.http).replace("ws://127.0.0.1:8001", served.websocket)
    here = here.replace("http://127.0.0.1:8002", served.control)
    here = here.replace("http://127.0.0.1:8003", served.aws["AWS_ENDPOINT_URL"])
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
