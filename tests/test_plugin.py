"""The plugin costs nothing until it is used, and is found however it is asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from tests.strangers import REPOSITORY, Stranger

HEAVY = ("moto", "boto3", "botocore", "chalice", "jwt", "cryptography", "websockets", "h11", "asyncio", "time_machine")

LOAD = """
import json, sys, pytest
from _pytest.config import get_config
get_config()  # what pytest itself has loaded by then
before = set(sys.modules)
import pytest_sessionplugin.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""

installed = pytest.mark.skipif(
    not entry_points(group="pytest11", name="sessionplugin"), reason="the plugin is not installed here"
)


def test_loading_it_loads_ten_modules_at_most_and_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    loaded = json.loads(run.stdout)
    assert len(loaded) <= 10, loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


@pytest.mark.interpreter
def test_tests_that_do_not_use_it_load_nothing_either(stranger: Stranger) -> None:
    body = f"""
        import sys
        def test_nothing():
            assert not set(sys.modules) & set({HEAVY})
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)


def test_a_project_that_is_none_is_not_mentioned(stranger: Stranger) -> None:
    shutil.rmtree(stranger.root / ".chalice")
    result = stranger.test(test_it="def test_nothing(): pass")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("sessionplugin:*")


@pytest.mark.parametrize("autoload", [True, False])
@pytest.mark.parametrize("arguments", [(), pytest.param(("-p", "sessionplugin"), marks=installed)])
def test_a_checkout_finds_it_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, autoload: bool, arguments: tuple[str, ...]
) -> None:
    """By the conftest at the root of this repository."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    if not autoload:
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    shutil.copy(REPOSITORY / "conftest.py", pytester.path)
    pytester.makepyfile(
        """
        def test_it(pytestconfig):
            names = [name for name, plugin in pytestconfig.pluginmanager.list_name_plugin()
                     if getattr(plugin, "__name__", "") == "pytest_sessionplugin.plugin"]
            assert len(names) == 1
            assert pytestconfig.getoption("sessionplugin_target") is None
        """
    )
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *arguments, timeout=60)
    result.assert_outcomes(passed=1)


@pytest.mark.interpreter
@installed
def test_it_can_be_turned_off(stranger: Stranger) -> None:
    (stranger.root / "test_it.py").write_text("def test_it(chalice_gateway): pass")
    result = stranger.pytest("-p", "no:sessionplugin")
    result.stdout.fnmatch_lines(["*fixture 'chalice_gateway' not found*"])


def test_a_hook_that_comes_late_is_still_the_first_to_answer() -> None:
    """As when another plugin has imported boto3 and moto, made a client, and started a mock.

    Nor does it ask other objects what they are: a proxy that is lazy would wake, and one that is dead raises.
    """
    program = """
import weakref
import boto3
from moto import mock_aws
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("asked")
lazy, dead = Lazy(), weakref.proxy(Lazy())
early = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
with mock_aws():
    from pytest_sessionplugin.aws.hook import HOOK
    HOOK.install()
    HOOK.install()
    from pytest_sessionplugin.aws.moto.emulator import Emulator
    from tests.aws.opened import opened
    with opened(Emulator({})) as aws:
        for client in early, boto3.client("dynamodb", region_name="us-east-1"):
            with aws.faults.throttled("dynamodb", times=1) as fault:
                client.list_tables()
            print(fault.fired)
"""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.split() == ["1", "1"]


def test_an_unknown_fixture_that_resembles_one_of_ours_names_it(stranger: Stranger) -> None:
    body = """
        def test_it(chalice_gatway):
            pass

        def test_other(romms):
            pass
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*fixture 'chalice_gatway' not found; did you mean chalice_gateway[?]"])
    result.stdout.fnmatch_lines(["*fixture 'romms' not found"])


def test_each_fixture_may_be_suggested(stranger: Stranger) -> None:
    from pytest_sessionplugin.plugin import FIXTURES

    listed = stranger.test("--fixtures", "-q").stdout.str().partition("pytest_sessionplugin.plugin")[2]
    found = {
        line.split()[0] for line in listed.splitlines() if line.startswith(("aws_", "bad_", "chalice_", "dyn", "jwt"))
    }
    assert found == set(FIXTURES)
