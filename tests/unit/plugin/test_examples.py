"""The lines that `serve` shows to be pasted: a project's own, or some that fit any app."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sessionplugin.announcement import examples, filled
from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.gateway.values import Api, Route
from pytest_sessionplugin.project import Project


def route(path: str, *methods: str) -> Route:
    return Route(path, frozenset(methods))


def test_the_first_route_without_parameters_is_called() -> None:
    api = Api((route("/a/{id}", "GET"), route("/b", "PUT"), route("/c", "GET", "POST"), route("/d", "GET")))
    assert examples(api) == ["curl {http}/c -H 'Authorization: Bearer {token}'"]


def test_a_route_that_only_takes_a_body_gets_one() -> None:
    api = Api((route("/a/{id}", "POST"),), websocket={"$default": "message"})
    assert examples(api) == [
        "curl {http}/a/id -d '{}' -H 'Content-Type: application/json' -H 'Authorization: Bearer {token}'",
        "{sessionplugin} connect {websocket} --token {token}",
    ]


def test_placeholders_are_filled_and_json_is_left() -> None:
    words = {"http": "http://127.0.0.1:1", "token": "t"}
    example = """curl {http}/a -d '{"token": {}, "b": {c}}' {token}"""
    assert filled(example, words) == """curl http://127.0.0.1:1/a -d '{"token": {}, "b": {c}}' t"""


def project(root: Path, examples: str) -> Project:
    (root / ".chalice").mkdir()
    (root / ".chalice" / "config.json").write_text("{}")
    (root / "app.py").touch()
    (root / "pyproject.toml").write_text(f"[tool.sessionplugin]\nexamples = {examples}\n")
    return Project(root)


def test_a_project_has_its_own(tmp_path: Path) -> None:
    assert project(tmp_path, '["curl {http}"]').examples == ["curl {http}"]


@pytest.mark.parametrize("examples", ['"curl"', "[1]"])
def test_what_is_no_list_of_texts_is_a_sentence(tmp_path: Path, examples: str) -> None:
    with pytest.raises(ProjectError, match=r"examples in .* must be a list of texts"):
        _ = project(tmp_path, examples).examples
