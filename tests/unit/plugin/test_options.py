"""Three ranks: option, variable, table. The winner says where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sessionplugin import options
from pytest_sessionplugin.errors import OptionError
from pytest_sessionplugin.options import Setting


def write(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(text)


def test_without_anything_there_are_defaults(tmp_path: Path) -> None:
    chosen = options.decide({}, {}, tmp_path, tmp_path)
    assert str(chosen) == f"target inprocess (default), project {tmp_path} (default), stage dev (default)"
    assert chosen.is_default


@pytest.mark.parametrize(
    ("given", "environment", "winner"),
    [
        ({"stage": Setting("a", "--sessionplugin-stage")}, {"SESSIONPLUGIN_STAGE": "b"}, "a (--sessionplugin-stage)"),
        ({}, {"SESSIONPLUGIN_STAGE": "b"}, "b (SESSIONPLUGIN_STAGE)"),
        ({}, {"SESSIONPLUGIN_STAGE": ""}, "c ([tool.sessionplugin])"),
        ({}, {}, "c ([tool.sessionplugin])"),
    ],
)
def test_an_option_beats_a_variable_beats_the_table(
    tmp_path: Path, given: dict[str, Setting], environment: dict[str, str], winner: str
) -> None:
    write(tmp_path, '[tool.sessionplugin]\nstage = "c"')
    chosen = options.decide(given, environment, tmp_path, tmp_path)
    assert str(chosen.stage) == winner
    assert not chosen.is_default


def test_the_table_of_the_project_beats_that_of_the_rootdir(tmp_path: Path) -> None:
    write(tmp_path, '[tool.sessionplugin]\nproject = "service"\nstage = "outer"')
    write(tmp_path / "service", '[tool.sessionplugin]\nstage = "inner"')
    chosen = options.decide({}, {}, tmp_path, tmp_path / "elsewhere")
    assert chosen.root == tmp_path / "service"
    assert chosen.stage.value == "inner"


def test_a_typed_project_is_relative_to_where_it_was_typed(tmp_path: Path) -> None:
    here = tmp_path / "here"
    chosen = options.decide({"project": Setting("../service", "typed")}, {}, tmp_path, here)
    assert chosen.root == tmp_path / "service"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool.sessionplugin]\nstage = 3", "it must be a text"),
        ('[tool.sessionplugin]\nstage = ""', "it must be a text that is not empty"),
        ('[tool.sessionplugin]\ntagret = "x"', "there is no such key; there are env, examples, project, stage"),
        ('[tool]\nsessionplugin = "x"', "must be a table"),
        ("[tool.sessionplugin", "it is not TOML"),
    ],
)
def test_a_table_that_cannot_be_is_an_error_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    write(tmp_path, text)
    with pytest.raises(OptionError, match=sentence):
        options.decide({}, {}, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("socket", "target = 'socket' .here.: there is no such target; use inprocess or sockets"),
        ("https://a.example,wss://b.example", "a deployed stage is not supported by this version"),
    ],
)
def test_an_unknown_target_is_an_error_with_a_sentence(target: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        options.check_target(Setting(target, "here"))
