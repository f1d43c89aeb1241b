"""A report of each usual mistake says what is wrong, where, and what to do, without a frame of the plugin.

One run of pytest has all mistakes of tests, one those of projects, and one process those of settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness.mistakes import account, clients, projects, runs, settings
from tests.harness.mistakes.kinds import InProject, InSettings, InTest
from tests.strangers import REPOSITORY, copy_project

IMPORTS = "import asyncio\nimport sys\nfrom datetime import datetime\n\nimport boto3\nimport pytest\n\n\n"
REPORTS = """
import json

import pytest


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.failed:
        parts = [f"{report.when} of {report.nodeid}", report.longreprtext]
        parts += [f"{title}\\n{text}" for title, text in report.sections]
        with open(REPORTS, "a", encoding="utf-8") as file:
            file.write(json.dumps([report.nodeid, "\\n".join(parts)]) + "\\n")
"""
SETTINGS = """
import contextlib, io, json, os, sys
import pytest

from pytest_sessionplugin.__main__ import main

for name, arguments, variables, hidden, command in json.load(sys.stdin):
    out = io.StringIO()
    before = {each: sys.modules.get(each) for each in hidden}
    sys.modules.update(dict.fromkeys(hidden))
    os.environ.update(variables)
    os.chdir(name)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = main(arguments) if command else pytest.main(["-p", "no:cacheprovider", *arguments])
        except SystemExit as ended:
            code = ended.code
    os.chdir("..")
    for each in variables:
        del os.environ[each]
    for each, module in before.items():
        sys.modules.pop(each)
        if module is not None:
            sys.modules[each] = module
    print(json.dumps([name, int(code), out.getvalue()]))
"""
FILES = {"clients": clients.MISTAKES, "account": account.MISTAKES, "runs": runs.MISTAKES}
"""Mistakes by the file of tests that has them."""

IN_TESTS = [pytest.param(name, each, id=f"{name}-{each.name}") for name, all in FILES.items() for each in all]
USED = """def test_it({fixture}):
    if jwt_tokens := locals().get("jwt_tokens"):
        assert chalice_gateway.get("/rooms", token=jwt_tokens("alice")).status_code == 200
"""

pytestmark = pytest.mark.process


def environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SESSIONPLUGIN_", "AWS_", "PYTEST_"))
    }
    path = os.pathsep.join(filter(None, [str(REPOSITORY), kept.get("PYTHONPATH")]))
    return {
        **kept,
        "PYTHONPATH": path,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_sessionplugin.plugin",
    }


def run(folder: Path, *arguments: str, stdin: str = "") -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(), input=stdin, capture_output=True, text=True, timeout=300
    )
    return done.stdout + done.stderr


def reports(folder: Path) -> Mapping[str, str]:
    """Runs pytest there: the report of each test that failed, by its id."""
    written = folder / "reports.jsonl"
    (folder / "conftest.py").write_text(f"REPORTS = {str(written)!r}\n{REPORTS}", encoding="utf-8")
    (folder / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error::pytest_sessionplugin.NoAppName\n", encoding="utf-8"
    )
    shown = run(folder, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-q")
    assert "INTERNALERROR" not in shown
    return dict(json.loads(line) for line in written.read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def of_tests(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("tests")
    copy_project("club", folder)
    for name, mistakes in FILES.items():
        tests = "\n\n".join(each.source() for each in mistakes)
        (folder / f"test_{name}.py").write_text(IMPORTS + tests, encoding="utf-8")
    return reports(folder)


@pytest.fixture(scope="module")
def of_projects(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("projects")
    for each in projects.MISTAKES:
        root = folder / each.name
        copy_project("club", root)
        for name, text in each.files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).unlink(missing_ok=True)
            if text is not None:
                (root / name).write_text(text, encoding="utf-8")
        project = f"@pytest.fixture(scope='session')\ndef chalice_project():\n    return {each.name!r}\n"
        (root / "conftest.py").write_text(f"import pytest\n\n\n{project}\n\n{each.overridden}", encoding="utf-8")
        (root / f"test_{each.name}.py").write_text(USED.format(fixture=each.fixture), encoding="utf-8")
    return reports(folder)


@pytest.fixture(scope="module")
def of_settings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[int, str]]:
    folder = tmp_path_factory.mktemp("settings")
    for each in settings.MISTAKES:
        copy_project("club", folder / each.name)
        (folder / each.name / "pyproject.toml").write_text(each.pyproject, encoding="utf-8")
        if each.test:
            (folder / each.name / f"test_{each.name}.py").write_text(each.test, encoding="utf-8")
    runs = [(each.name, each.arguments, dict(each.variables), each.hidden, each.command) for each in settings.MISTAKES]
    printed = run(folder, "-c", SETTINGS, stdin=json.dumps(runs))
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    return {name: (code, out) for name, code, out in lines}


@pytest.mark.parametrize(("file", "mistake"), IN_TESTS)
def test_a_mistake_in_a_test(of_tests: Mapping[str, str], file: str, mistake: InTest) -> None:
    wrong = f"test_{file}.py::test_{mistake.name}"
    found = [text for test, text in of_tests.items() if test.partition("[")[0] == wrong]
    assert found, "the test passed"
    shows(found[0], mistake.cause, mistake.place, mistake.advice)
    if not mistake.place:
        pointed = [line[1:].strip() for line in found[0].splitlines() if line.startswith(">")]
        assert mistake.wrong_line in pointed


@pytest.mark.parametrize("mistake", projects.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_in_a_project(of_projects: Mapping[str, str], mistake: InProject) -> None:
    test = f"{mistake.name}/test_{mistake.name}.py::test_it"
    assert test in of_projects, "the test passed"
    shows(of_projects[test], mistake.cause, mistake.place, mistake.advice)


@pytest.mark.parametrize("mistake", settings.MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_in_settings(of_settings: Mapping[str, tuple[int, str]], mistake: InSettings) -> None:
    code, shown = of_settings[mistake.name]
    assert code == mistake.code
    shows(shown, mistake.cause, mistake.place, mistake.advice)


def shows(report: str, *parts: str) -> None:
    assert [part for part in parts if part not in report] == [], report
    own = [line for line in report.splitlines() if "pytest_sessionplugin/" in line or "_pytest/" in line]
    assert own == []
