"""What pytest says of the settings: the header names the winner, a bad value is a usage error."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import PYPROJECT, Stranger

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
    ("target", "sentence"),
    [
        ("socket", "there is no such target; use inprocess or sockets."),
        ("https://a.example,wss://a.example", "testing a deployed stage is not supported by this version*"),
    ],
)
def test_a_target_that_cannot_be_is_a_usage_error(stranger: Stranger, target: str, sentence: str) -> None:
    result = stranger.test(f"--sessionplugin-target={target}", test_it=NOTHING)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: sessionplugin: target = '{target}' (--sessionplugin-target): {sentence}"])


def test_help_is_there_whatever_the_settings_are(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSIONPLUGIN_TARGET", "nonsense")
    result = stranger.test("--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--sessionplugin-target=TARGET*"])


def test_a_mark_with_a_target_that_is_none_says_so(stranger: Stranger) -> None:
    body = """
        import pytest
        @pytest.mark.targets("inprocess", "moon")
        def test_it(chalice_gateway): pass
    """
    result = stranger.test(test_it=body)
    result.stdout.fnmatch_lines(["*targets: there is no 'moon'; there are inprocess, sockets*"])


def test_a_stage_gives_its_environment(stranger: Stranger) -> None:
    body = """
        def test_it(chalice_gateway):
            assert chalice_gateway.http().get("/rooms/a").json()["greeting"] == "good day"
    """
    stranger.test("--sessionplugin-stage=prod", test_it=body).assert_outcomes(passed=1)
