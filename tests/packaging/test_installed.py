"""The installed plugin: its cost, how to turn it on and off, and its message for a missing extra."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.packaging.environment import Environment

HEAVY = {"moto", "boto3", "botocore", "chalice", "jwt", "cryptography"}

MODULES = """
import json, pathlib, sys


def test_modules():
    pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules)))
"""

ITS_OWN_TESTS = "tests/service/test_http_websocket_integration.py::TestHTTPSessionLifecycle"

SOCKETS = "real sockets need h11 and websockets: pip install 'pytest-sessionplugin[sockets]'"
CLOCK = "moving time needs time-machine: pip install 'pytest-sessionplugin[clock]'"


def test_what_is_imported_is_the_wheel(plain: Environment, downstream: Path) -> None:
    run = plain.run("python", "-c", "import pytest_sessionplugin as it; print(it.__file__)", cwd=downstream)
    assert run.output.strip() == str(plain.packages / "pytest_sessionplugin" / "__init__.py")


def test_a_run_that_does_not_use_it_has_ten_modules_more_at_most_and_none_that_is_heavy(
    plain: Environment, downstream: Path
) -> None:
    (downstream / "test_modules.py").write_text(MODULES)

    def modules(*arguments: str) -> set[str]:
        run = plain.pytest(*arguments, "test_modules.py", cwd=downstream)
        assert run.outcomes == {"passed": 1}, run.output
        return set(json.loads((downstream / "modules.json").read_text()))

    added = modules() - modules("-p", "no:sessionplugin")
    assert "pytest_sessionplugin.plugin" in added
    assert len(added) <= 10, added
    assert not {name.partition(".")[0] for name in added} & HEAVY


def test_it_is_loaded_by_name_where_nothing_is_loaded_by_itself(plain: Environment, downstream: Path) -> None:
    test = "tests/test_watching.py::test_an_unknown_lot_cannot_be_watched"
    run = plain.pytest("-p", "sessionplugin", test, cwd=downstream, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert run.outcomes == {"passed": 2}, run.output


def test_it_can_be_turned_off(plain: Environment, downstream: Path) -> None:
    run = plain.pytest("-p", "no:sessionplugin", "tests/test_when_aws_fails.py", cwd=downstream)
    assert set(run.outcomes) == {"errors"}
    assert "fixture 'chalice_gateway' not found" in run.output
    assert "sessionplugin:" not in run.output


# --- without the extra


def test_sockets_that_a_run_asks_for_are_refused_with_the_line_that_installs_them(
    plain: Environment, downstream: Path
) -> None:
    run = plain.pytest("--sessionplugin-target=sockets", "tests/test_lots.py", cwd=downstream)
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert run.output.startswith("ERROR: sessionplugin: target = 'sockets' (--sessionplugin-target): " + SOCKETS)


def test_sockets_that_a_test_is_marked_for_are_skipped_with_that_line(plain: Environment, downstream: Path) -> None:
    run = plain.pytest("-rs", "tests/test_watching.py", cwd=downstream)
    assert set(run.outcomes) == {"passed", "skipped"}
    assert SOCKETS in run.output


def test_the_clock_is_refused_with_the_line_that_installs_it(plain: Environment, downstream: Path) -> None:
    (downstream / "test_clock.py").write_text("def test_clock(chalice_clock): pass\n")
    run = plain.pytest("test_clock.py", cwd=downstream)
    assert run.outcomes == {"errors": 1}, run.output
    assert CLOCK in run.output


@pytest.mark.parametrize("arguments", [["serve", "."], ["connect", "ws://127.0.0.1:1"]])
def test_the_command_says_the_line_that_installs_them(
    plain: Environment, downstream: Path, arguments: list[str]
) -> None:
    run = plain.run("sessionplugin", *arguments, cwd=downstream)
    assert (run.status, run.output) == (2, f"sessionplugin: {SOCKETS}\n")


# --- in a checkout


@pytest.mark.parametrize("command", [["pytest"], ["python", "-m", "pytest"]], ids=" ".join)
def test_a_checkout_that_is_not_installed_tests_itself_all_the_same(
    dependencies: Environment, contracts: Environment, checkout: Path, command: list[str]
) -> None:
    run = dependencies.run(*command, ITS_OWN_TESTS, cwd=checkout, PYTHONPATH=str(contracts.packages))
    assert set(run.outcomes) == {"passed"}, run.output
    assert f"project {checkout.resolve()}" in run.output


def test_a_checkout_beside_an_installed_plugin_loads_it_once(
    plain: Environment, contracts: Environment, checkout: Path
) -> None:
    run = plain.pytest(ITS_OWN_TESTS, cwd=checkout, PYTHONPATH=str(contracts.packages))
    assert set(run.outcomes) == {"passed"}, run.output
