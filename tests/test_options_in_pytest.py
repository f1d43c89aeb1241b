"""pytest's header names the winning setting, and an invalid value is a usage error."""

from __future__ import annotations

import json

import pytest

from tests.strangers import PYPROJECT, Stranger

NOTHING = "def test_nothing(): pass"


def test_the_header_names_the_winner_and_its_source(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    (stranger.root / "pyproject.toml").write_text(PYPROJECT + '[tool.sessionplugin]\nstage = "prod"\n')
    monkeypatch.setenv("SESSIONPLUGIN_TARGET", "inprocess")
    result = stranger.test("--sessionplugin-project=.", "--sessionplugin-target=sockets", test_it=NOTHING)
    result.stdout.fnmatch_lines(
        [
            "sessionplugin: target sockets (--sessionplugin-target), "
            f"project {stranger.root} (--sessionplugin-project), stage prod ([[]tool.sessionplugin])"
        ]
    )


@pytest.mark.parametrize(
    ("rank", "name", "value", "sentence"),
    [
        ("option", "target", "socket", "there is no such target; use inprocess, sockets, or URLs of a deployed stage*"),
        ("variable", "project", "nowhere", "there is no such folder."),
        ("option", "project", "", "it must be a folder."),
        ("variable", "timeout", "soon", "it must be a number of seconds*"),
        ("table", "stage", "nope", "there is no stage nope in *config.json; there are dev, prod."),
    ],
)
def test_a_value_that_cannot_be_is_a_usage_error_of_one_sentence(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch, rank: str, name: str, value: str, sentence: str
) -> None:
    option, variable = f"--sessionplugin-{name}", f"SESSIONPLUGIN_{name.upper()}"
    if rank == "variable":
        monkeypatch.setenv(variable, value)
    if rank == "table":
        (stranger.root / "pyproject.toml").write_text(f'{PYPROJECT}[tool.sessionplugin]\n{name} = "{value}"\n')
    result = stranger.test(*([f"{option}={value}"] if rank == "option" else []))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    source = {"option": option, "variable": variable, "table": "[[]tool.sessionplugin]"}[rank]
    result.stderr.fnmatch_lines([f"ERROR: sessionplugin: {name} = '*{value}' ({source}): {sentence}"])
    assert [line for line in result.stderr.lines if line] == [result.stderr.lines[0]]


@pytest.mark.parametrize(
    ("rank", "value"),
    [
        ("option", "sockets"),
        ("variable", "sockets"),
        ("table", "sockets"),
        ("ini", "sockets"),
        ("option", "ws://[::1]:9"),
    ],
)
def test_a_target_that_a_run_names_and_cannot_have_is_a_usage_error_and_no_run_of_skips(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch, rank: str, value: str
) -> None:
    (stranger.root / "conftest.py").write_text("import sys\nsys.modules['h11'] = None  # as if it were not installed")
    if rank == "variable":
        monkeypatch.setenv("SESSIONPLUGIN_TARGET", value)
    if rank == "table":
        (stranger.root / "pyproject.toml").write_text(f'{PYPROJECT}[tool.sessionplugin]\ntarget = "{value}"\n')
    if rank == "ini":
        (stranger.root / "pytest.ini").write_text(f"[pytest]\naddopts = --sessionplugin-target={value}\n")
    result = stranger.test(*([f"--sessionplugin-target={value}"] if rank == "option" else []), test_it=NOTHING)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    sentence = "real sockets need h11: pip install 'pytest-sessionplugin[[]sockets]'."
    shown = value.replace("[", "[[]")
    result.stderr.fnmatch_lines([f"ERROR: sessionplugin: target = '{shown}' (*): {sentence}"])


def test_a_marked_target_that_cannot_be_had_is_a_skip_with_the_reason(stranger: Stranger) -> None:
    (stranger.root / "conftest.py").write_text("import sys\nsys.modules['h11'] = None  # as if it were not installed")
    body = """
        import pytest
        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_it(chalice_gateway): pass
    """
    result = stranger.test("-rs", test_it=body)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *: real sockets need h11: pip install 'pytest-sessionplugin[[]sockets]'"])


def test_each_rank_reaches_the_header(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    (stranger.root / "pyproject.toml").write_text(f"{PYPROJECT}[tool.sessionplugin]\ntimeout = 2\nproject = '.'")
    monkeypatch.setenv("SESSIONPLUGIN_STAGE", "prod")
    urls = "https://a1.example/api,wss://b2.example/api"
    result = stranger.test(f"--sessionplugin-target={urls}", test_it=NOTHING)
    result.stdout.fnmatch_lines(
        [
            f"sessionplugin: target {urls} (--sessionplugin-target), project {stranger.root} ([[]tool.sessionplugin]), "
            "stage prod (SESSIONPLUGIN_STAGE), timeout 2 ([[]tool.sessionplugin])"
        ]
    )


NO_TEXT_IN_TABLE = "[tool.sessionplugin]\nstage = 3"


@pytest.mark.parametrize("table", [NO_TEXT_IN_TABLE, "[tool.sessionplugin", "sessionplugin = '\udcff'"])
def test_help_and_version_are_there_whatever_the_settings_are(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setenv("SESSIONPLUGIN_TARGET", "nonsense")
    (stranger.root / "app.py").unlink()
    broken = stranger.root / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_bytes(table.encode(errors="surrogateescape"))
    (stranger.root / "conftest.py").write_text("")
    monkeypatch.setenv("SESSIONPLUGIN_PROJECT", str(broken))
    result = stranger.test("--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*--sessionplugin-target=TARGET*",
            "*--sessionplugin-project=FOLDER*",
            "*--sessionplugin-stage=STAGE*",
            "*--sessionplugin-timeout=SECONDS*",
        ]
    )


def test_the_version_is_there_too(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONPLUGIN_TARGET", "nonsense")
    assert stranger.test("--version").ret == 0


def test_a_stage_gives_its_environment(stranger: Stranger) -> None:
    body = """
        def test_it(chalice_gateway):
            assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "good day"
    """
    stranger.test("--sessionplugin-stage=prod", test_it=body).assert_outcomes(passed=1)


ITS_STAGE = """
    import os
    def test_it(chalice_gateway):
        assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "good day"
"""


def test_the_only_stage_is_taken_and_said(stranger: Stranger) -> None:
    config = {"app_name": "chat", "stages": {"prod": {"environment_variables": {"GREETING": "good day"}}}}
    (stranger.root / ".chalice" / "config.json").write_text(json.dumps(config))
    result = stranger.test(test_it=ITS_STAGE)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["sessionplugin: *, stage prod (the only one)"])


def test_of_several_stages_one_is_to_be_named_where_the_app_is_needed(stranger: Stranger) -> None:
    config = {"app_name": "chat", "stages": {"prod": {}, "beta": {}}}
    (stranger.root / ".chalice" / "config.json").write_text(json.dumps(config))
    result = stranger.test(test_it=ITS_STAGE, test_other=NOTHING)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*there is no stage dev in *config.json; there are prod, beta. Name one: *"])


def test_the_project_in_which_pytest_is_called_is_taken(
    stranger: Stranger, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = stranger.root / "runtime"
    runtime.mkdir()
    for name in ("app.py", ".chalice"):
        (stranger.root / name).rename(runtime / name)
    (runtime / "test_it.py").write_text("def test_it(chalice_gateway): pass")
    monkeypatch.chdir(runtime)
    result = stranger.test()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [f"sessionplugin: *project {runtime} (working directory)*", f"rootdir: {stranger.root}"]
    )
    monkeypatch.chdir(stranger.root)
    stranger.test().stdout.fnmatch_lines(["*is not a Chalice project: * There are projects in: runtime."])
