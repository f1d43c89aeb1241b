"""Mistakes in the settings of a run."""

from __future__ import annotations

import pytest

from tests.harness.mistakes.kinds import InSettings

MISTAKES = [
    InSettings(
        "key",
        "there is no such key",
        "templates = 'x'",
        "there are api_keys",
        pyproject="[tool.sessionplugin]\ntemplates = 'x'",
    ),
    InSettings("toml", "Expected ']'", "pyproject.toml", "at line 1", pyproject="[tool.sessionplugin\n"),
    InSettings("stage", "no stage prod", "--sessionplugin-stage", "there are dev", ("--sessionplugin-stage=prod",)),
    InSettings(
        "target", "no such target", "--sessionplugin-target", "inprocess, sockets", ("--sessionplugin-target=socket",)
    ),
    InSettings(
        "url", "it must be", "SESSIONPLUGIN_TARGET", "https://…,wss://…", variables={"SESSIONPLUGIN_TARGET": "ftp://a"}
    ),
    InSettings(
        "plain",
        "is not on this machine",
        "--sessionplugin-target",
        "must be https",
        ("--sessionplugin-target=http://a.b",),
    ),
    InSettings(
        "folder", "no such folder", "--sessionplugin-project", "project = ", ("--sessionplugin-project=nowhere",)
    ),
    InSettings(
        "timeout",
        "more than 0",
        "SESSIONPLUGIN_TIMEOUT",
        "a number of seconds",
        variables={"SESSIONPLUGIN_TIMEOUT": "soon"},
    ),
    InSettings(
        "option", "unrecognized arguments", "--sessionplugin-tagret", "usage:", ("--sessionplugin-tagret=sockets",)
    ),
    InSettings(
        "no_sockets",
        "real sockets need h11 and websockets",
        "--sessionplugin-target",
        "pip install 'pytest-sessionplugin[sockets]'",
        ("--sessionplugin-target=sockets",),
        hidden=("h11", "websockets"),
    ),
    InSettings(
        "unreachable",
        "127.0.0.1:9 cannot be reached: Connection refused",
        ">   def test_it(chalice_gateway): chalice_gateway.get('/health')",
        "Start what is there, or name another target with --sessionplugin-target",
        ("--sessionplugin-target=http://127.0.0.1:9",),
        test="def test_it(chalice_gateway): chalice_gateway.get('/health')",
        code=pytest.ExitCode.TESTS_FAILED,
    ),
    InSettings(
        "bad_token_without_indirect",
        "bad_jwt would be the text 'expired' and no token",
        "test_bad_token_without_indirect.py::test_it: ",
        "add indirect=True to its parametrize",
        test="import pytest\n\n@pytest.mark.parametrize('bad_jwt', ['expired'])\ndef test_it(bad_jwt): pass\n",
        code=pytest.ExitCode.INTERRUPTED,
    ),
    # the command
    InSettings(
        "serve_without_sockets",
        "real sockets need h11 and websockets",
        "sessionplugin: ",
        "pip install 'pytest-sessionplugin[sockets]'",
        ("serve",),
        hidden=("h11", "websockets"),
        command=True,
        code=2,
    ),
    InSettings(
        "serve_elsewhere",
        "is not a Chalice project: it has no app.py",
        "/nowhere ",
        "Name a folder that has app.py and .chalice/config.json",
        ("serve", "nowhere"),
        command=True,
        code=2,
    ),
    InSettings(
        "connect_to_nothing",
        "cannot be reached: Connection refused",
        "ws://127.0.0.1:9",
        "`sessionplugin serve` prints the URLs that it serves",
        ("connect", "ws://127.0.0.1:9"),
        command=True,
        code=2,
    ),
    InSettings(
        "token_for_nobody",
        "the following arguments are required: SUBJECT",
        "sessionplugin token",
        "usage: ",
        ("token",),
        command=True,
        code=2,
    ),
]
