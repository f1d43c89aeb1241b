"""The lines that `serve` shows to be pasted: a project's own, or some that fit any app."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.gateway.values import Api, Authorizer, AuthorizerKind, Invoke, Route
from pytest_sessionplugin.serving import console
from pytest_sessionplugin.serving.serve import checks_tokens, examples, filled


def route(path: str, *methods: str) -> Route:
    return Route(path, frozenset(methods))


MEMBER = Authorizer(AuthorizerKind.BUILT_IN, "member")
KEYED = Authorizer(AuthorizerKind.BUILT_IN, "keyed", "X-Key")
SIGNED = Authorizer(AuthorizerKind.IAM, "signed")


def test_the_first_route_without_parameters_is_called() -> None:
    api = Api((route("/a/{id}", "GET"), route("/b", "PUT"), route("/c", "GET", "POST"), route("/d", "GET")))
    assert examples(api, with_token=True) == ['curl {http}/c -H "Authorization: Bearer {token}"']
    assert examples(api, with_token=False) == ["curl {http}/c"]


def test_a_route_that_only_takes_a_body_gets_one_and_a_parameter_is_in_capitals() -> None:
    api = Api((route("/a/{id}", "POST"),), websocket={"$default": "message"})
    assert examples(api, with_token=True) == [
        "curl {http}/a/ID -d '{}' -H 'Content-Type: application/json' -H \"Authorization: Bearer {token}\"",
        "{sessionplugin} connect {websocket} --token {token}",
    ]
    assert examples(api, with_token=False) == [
        "curl {http}/a/ID -d '{}' -H 'Content-Type: application/json'",
        "{sessionplugin} connect {websocket}",
    ]


@pytest.mark.parametrize(
    ("first", "sent"),
    [(None, ""), (MEMBER, ' -H "Authorization: Bearer {token}"'), (KEYED, ' -H "X-Key: Bearer {token}"'), (SIGNED, "")],
)
def test_where_routes_have_authorizers_those_without_get_no_token(first: Authorizer | None, sent: str) -> None:
    guards = {} if first is None else {"GET": first}
    routes = (replace(route("/a", "GET"), authorizers=guards), replace(route("/b", "GET"), authorizers={"GET": MEMBER}))
    assert examples(Api(routes), with_token=True) == [f"curl {{http}}/a{sent}"]


@pytest.mark.parametrize(
    ("settings", "guard", "checks"),
    [
        ("", None, False),
        ("", SIGNED, False),
        ("", replace(MEMBER, header=None), False),
        ("", MEMBER, True),
        ("", KEYED, True),
        ("[tool.sessionplugin.tokens]\nissuer = 'https://login.test'", None, True),
        ("[tool.sessionplugin.env]\nKEY = '{token:secret}'", None, True),
        ("[tool.sessionplugin.env]\nTABLE = '{table:Rooms}'", None, False),
        ("[tool.sessionplugin]\nexamples = ['curl {http} {token}']", None, True),
    ],
)
def test_an_app_checks_tokens_if_its_settings_or_authorizers_name_them(
    tmp_path: Path, settings: str, guard: Authorizer | None, checks: bool
) -> None:
    found = project(tmp_path, "[]")
    (tmp_path / "pyproject.toml").write_text(settings)
    guarded = replace(route("/a", "GET"), authorizers={} if guard is None else {"GET": guard})
    assert checks_tokens(found, Api((guarded,))) is checks


def test_placeholders_are_filled_and_json_is_left() -> None:
    words = {"http": "http://127.0.0.1:1", "token": "t"}
    example = """curl {http}/a -d '{"token": {}, "b": {c}}' {token}"""
    assert filled(example, words) == """curl http://127.0.0.1:1/a -d '{"token": {}, "b": {c}}' t"""


def project(root: Path, examples: str) -> Project:
    (root / ".chalice").mkdir(parents=True)
    (root / ".chalice" / "config.json").write_text("{}")
    (root / "app.py").touch()
    (root / "pyproject.toml").write_text(f"[tool.sessionplugin]\nexamples = {examples}\n")
    return Project(root)


def test_a_project_has_its_own(tmp_path: Path) -> None:
    assert project(tmp_path, '["curl {http}"]').examples == ["curl {http}"]


def test_a_token_where_a_shell_would_not_fill_it_in_is_a_sentence(tmp_path: Path) -> None:
    in_double = """['''sh -c "curl -d 'a' $(cat 'b') {token}"''']"""
    assert len(project(tmp_path / "a", in_double).examples) == 1
    with pytest.raises(ProjectError, match=r"{token} in single quotes; .* use double quotes"):
        _ = project(tmp_path / "b", """["curl -d 'a' -H 'Authorization: Bearer {token}'"]""").examples


@pytest.mark.parametrize("examples", ['"curl"', "[1]"])
def test_what_is_no_list_of_texts_is_a_sentence(tmp_path: Path, examples: str) -> None:
    with pytest.raises(ProjectError, match=r"examples in .* must be a list of strings"):
        _ = project(tmp_path, examples).examples


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def raising(error: BaseException) -> Any:
    def functions(invoke: Invoke) -> None:
        raise error

    return console.shown(functions, Path(__file__).parent, {"guard"})


def test_colours_are_for_a_terminal_whose_owner_likes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console.coloured("a", console.RED) == "a"
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert console.coloured("a", console.RED) == "\033[31ma\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.coloured("a", console.RED) == "a"


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no")])
def test_what_a_function_raises_is_shown_and_goes_on(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(error)):
        raising(error)(Invoke("i", "sweep", {}))
    said = capsys.readouterr().err
    assert said.startswith("\nsweep failed:\nTraceback (most recent call last):\n")
    assert said.endswith(f"{type(error).__name__}: no\n\n")


@pytest.mark.parametrize(
    ("function", "text", "answers"),
    [("guard", "Unauthorized", True), ("guard", "unauthorized", False), ("sweep", "Unauthorized", False)],
)
def test_only_an_authorizers_own_word_is_no_failure(
    function: str, text: str, answers: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=text):
        raising(ValueError(text))(Invoke("i", function, {}))
    said = capsys.readouterr().err
    assert (said == "") is answers
    assert ("Traceback" in said) is not answers
