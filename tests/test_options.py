"""Three ranks: option, variable, table. The winner says where it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_sessionplugin import options
from pytest_sessionplugin.errors import OptionError
from pytest_sessionplugin.gateway.client.transport import Urls
from pytest_sessionplugin.options import Setting


def write(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(text)


def test_without_anything_there_are_defaults(tmp_path: Path) -> None:
    chosen = options.decide({}, {}, tmp_path, tmp_path)
    assert str(chosen) == f"target inprocess (default), project {tmp_path} (default), stage dev (default)"
    assert chosen.is_default


TABLE = {
    "target": 'target = "c"',
    "project": 'project = "c"',
    "stage": 'stage = "c"',
    "timeout": "timeout = 2.5",
}


@pytest.mark.parametrize("name", options.NAMES)
@pytest.mark.parametrize(
    ("given", "variable", "table", "source"),
    [
        (True, True, True, "typed"),
        (True, False, False, "typed"),
        (False, True, True, "variable"),
        (False, True, False, "variable"),
        (False, False, True, "[tool.sessionplugin]"),
        (False, False, False, "default"),
    ],
)
def test_an_option_beats_a_variable_beats_the_table(
    tmp_path: Path, name: str, given: bool, variable: bool, table: bool, source: str
) -> None:
    write(tmp_path, f"[tool.sessionplugin]\n{TABLE[name]}" if table else "")
    environment = {f"SESSIONPLUGIN_{name.upper()}": "b" if variable else ""}  # an empty one does not count
    chosen = options.decide({name: Setting("a", "typed")} if given else {}, environment, tmp_path, tmp_path)
    winner: Setting = getattr(chosen, name)
    assert winner.source == source.replace("variable", f"SESSIONPLUGIN_{name.upper()}")
    default = {"target": "inprocess", "project": tmp_path.name, "stage": "dev", "timeout": "5"}[name]
    values = {"typed": "a", "variable": "b", "[tool.sessionplugin]": "2.5" if name == "timeout" else "c"}
    assert Path(winner.value).name == values.get(source, default)
    assert {getattr(chosen, other).source for other in options.NAMES if other != name} == {"default"}


def test_the_timeout_is_shown_with_a_deployed_target_only(tmp_path: Path) -> None:
    given = {"timeout": Setting("7", "typed")}
    assert ", timeout " not in str(options.decide(given, {}, tmp_path, tmp_path))
    given["target"] = Setting("https://a.example", "typed")
    shown = str(options.decide(given, {}, tmp_path, tmp_path))
    assert shown.startswith("target https://a.example (typed), ")
    assert shown.endswith(", timeout 7 (typed)")


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
        ("[tool.sessionplugin]\nstage = 3", "it must be a non-empty string"),
        ("[tool.sessionplugin]\ntimeout = true", "it must be a number of seconds"),
        ('[tool.sessionplugin]\nstage = ""', "it must be a non-empty string"),
        (
            '[tool.sessionplugin]\ntagret = "x"',
            "there is no such key; there are api_keys, asyncapi, env, examples, openapi, other_hosts, project, seed",
        ),
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
        ("socket", "target = 'socket' .here.: there is no such target; use inprocess, sockets, or URLs of a deployed"),
        ("deployed", "there is no such target; use inprocess, sockets, or URLs of a deployed stage: https://…,wss://…"),
        ("ftp://a.example", "target = 'ftp://a.example' .here.: it must be https://…,wss://…"),
        ("https://me:pw@a.example?key=s3cret", "target = 'https://…@a.example.…' .here.: a user, a query or a frag"),
    ],
)
def test_a_wrong_target_is_an_error_with_a_sentence(target: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence) as refused:
        options.check_target(Setting(target, "here"))
    assert not {"pw", "s3cret"} & set(str(refused.value).replace("@", " ").replace("=", " ").split())


def test_a_websocket_url_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    options.check_target(Setting("https://a.example", "here"))
    with pytest.raises(OptionError, match=r"pip install 'pytest-sessionplugin\[sockets\]'"):
        options.check_target(Setting("https://a.example,wss://a.example", "here"))


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon", "1e9"])
def test_a_timeout_is_a_number_of_seconds(timeout: str) -> None:
    options.check_timeout(Setting("0.5", "here"))
    with pytest.raises(OptionError, match="it must be a number of seconds, more than 0 and at most 3600"):
        options.check_timeout(Setting(timeout, "here"))


def test_a_folder_that_is_none_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    options.check_project(Setting(str(tmp_path), "here"))
    options.check_project(Setting("wherever pytest has its rootdir", "default"))
    with pytest.raises(OptionError, match=r"nowhere' \(here\): there is no such folder"):
        options.check_project(Setting(str(tmp_path / "nowhere"), "here"))


def test_a_stage_that_is_none_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    named = Setting("nope", "here")
    assert options.find_stage(named, tmp_path) is named  # no project: that is said elsewhere
    (tmp_path / ".chalice").mkdir()
    config = tmp_path / ".chalice" / "config.json"
    for text in ("no JSON", "[]", '{"stages": [1]}'):
        config.write_text(text)
        assert options.find_stage(named, tmp_path) is named
    config.write_text('{"stages": {"dev": {}, "prod": {}}}')
    assert options.find_stage(Setting("prod", "here"), tmp_path) == Setting("prod", "here")
    assert options.find_stage(Setting("dev", "default"), tmp_path) == Setting("dev", "default")
    with pytest.raises(OptionError, match=r"there is no stage nope in .*config.json; there are dev, prod\.$"):
        options.find_stage(named, tmp_path)
    config.write_text('{"app_name": "chat"}')
    with pytest.raises(OptionError, match=r"there is no stage nope in .*config.json; there are dev\.$"):
        options.find_stage(named, tmp_path)


def test_a_stage_that_nobody_named_is_the_only_one_of_a_project_without_dev(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()
    config = tmp_path / ".chalice" / "config.json"
    config.write_text('{"stages": {"prod": {"environment_variables": {}}, "version": "2.0"}}')
    chosen = options.find_stage(Setting("dev", "default"), tmp_path)
    assert f"{chosen}" == "prod (the only one)"
    with pytest.raises(OptionError, match="there is no stage dev in "):
        options.find_stage(Setting("dev", "typed"), tmp_path)
    config.write_text('{"stages": {"prod": {}, "beta": {}}}')  # which the project says, where it is needed
    assert options.find_stage(Setting("dev", "default"), tmp_path) == Setting("dev", "default")


def test_only_a_stage_that_somebody_named_is_that_of_all_projects(tmp_path: Path) -> None:
    chosen = options.decide({}, {}, tmp_path, tmp_path)
    assert chosen.named_stage is None
    assert replace(chosen, stage=Setting("prod", options.ONLY)).named_stage is None
    assert replace(chosen, stage=Setting("prod", "typed")).named_stage == "prod"


def test_below_a_rootdir_that_is_none_the_project_around_the_working_directory_is_taken(tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    (runtime / ".chalice").mkdir(parents=True)
    (runtime / ".chalice" / "config.json").touch()
    (runtime / "tests").mkdir()
    (runtime / "app.py").touch()
    write(tmp_path, '[tool.sessionplugin]\nstage = "outer"')
    for here in (runtime, runtime / "tests"):
        chosen = options.decide({}, {}, tmp_path, here)
        assert (chosen.project, chosen.stage.value) == (Setting(str(runtime), "working directory"), "outer")
    for root, here in ((tmp_path, tmp_path), (tmp_path, tmp_path.parent), (runtime / "tests", runtime)):
        assert options.decide({}, {}, root, here).project == Setting(str(root), "default")
    write(tmp_path, '[tool.sessionplugin]\nproject = "elsewhere"')
    assert options.decide({}, {}, tmp_path, runtime).root == tmp_path / "elsewhere"
    write(tmp_path, "")
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").touch()
    (tmp_path / "app.py").touch()
    assert options.decide({}, {}, tmp_path, runtime).root == tmp_path


def test_a_file_that_cannot_be_read_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(b'[tool.sessionplugin]\nstage = "\xff"')
    with pytest.raises(OptionError, match=r"pyproject.toml.* cannot be read: it is not UTF-8"):
        options.read_table(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(OptionError, match=r"pyproject.toml.* cannot be read: "):
        options.read_table(tmp_path)


STAGE = "https://a1b2.execute-api.eu-west-1.amazonaws.com/api"


@pytest.mark.parametrize(
    ("target", "urls"),
    [
        (f"{STAGE},wss://c3d4.example/api", Urls(STAGE, "wss://c3d4.example/api")),
        (f"{STAGE}/", Urls(STAGE, "")),
        ("wss://c3d4.example", Urls("", "wss://c3d4.example")),
        ("HTTP://localhost:8000, ws://127.0.0.1:8001", Urls("http://localhost:8000", "ws://127.0.0.1:8001")),
        ("http://[::1]:8000", Urls("http://[::1]:8000", "")),
    ],
)
def test_urls_are_http_first_and_one_will_do(target: str, urls: Urls) -> None:
    assert options.urls_of(target) == urls


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("wss://a.example,https://b.example", "one HTTP URL, then one WebSocket URL"),
        ("https://a.example,https://b.example", "one HTTP URL, then one WebSocket URL"),
        ("https://a.example,wss://b.example,wss://c.example", "one HTTP URL, then one WebSocket URL"),
        ("http://a.example", "a.example is not on this machine, so http must be https"),
        ("https://a.example,ws://b.example", "b.example is not on this machine, so ws must be wss"),
        ("http://127.0.0.1.example", "must be https"),
        ("https://a.example?key=1", "a user, a query or a fragment does not belong in it"),
        ("https://a.example?", "a user, a query or a fragment does not belong in it"),
        ("https://me:pw@a.example", "a user, a query or a fragment does not belong in it"),
        ("https://a.example#top", "a user, a query or a fragment does not belong in it"),
        ("ftp://a.example", "it must be https://…,wss://…"),
        ("https://", "it must be https://…,wss://…"),
        ("https://a.example,", "it must be https://…,wss://…"),
        ("https://a.example:99999", "it must be https://…,wss://…"),
        ("https://[a.example", "it must be https://…,wss://…"),
        ("https://a.example/ä", "a URL is ASCII without spaces"),
        ("https://a.exa\nmple", "a URL is ASCII without spaces"),
    ],
)
def test_other_forms_are_a_sentence(target: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        options.urls_of(target)


def test_a_target_is_shown_without_its_credentials() -> None:
    target = "https://me:p@ss@a.example/x?key=1,wss://you@b.example?key=2#3"
    assert options.without_credentials(target) == "https://…@a.example/x?…,wss://…@b.example?…"


@pytest.mark.parametrize(
    ("marked", "local", "deployed"),
    [
        (("inprocess", "sockets"), ("inprocess", "sockets"), ("inprocess", "sockets")),
        (("inprocess", "deployed"), ("inprocess",), ("deployed",)),
        (("deployed",), ("deployed",), ("deployed",)),
    ],
)
def test_a_run_takes_what_it_has_of_a_mark_and_else_all_to_be_skipped(
    marked: tuple[str, ...], local: tuple[str, ...], deployed: tuple[str, ...]
) -> None:
    assert options.runnable(marked, deployed=False) == local
    assert options.runnable(marked, deployed=True) == deployed


def test_a_marked_target_that_the_run_has_not_is_a_reason() -> None:
    assert options.why_not_marked("sockets", "inprocess") is None
    assert options.why_not_marked("deployed", STAGE) is None
    assert "name one with --sessionplugin-target=https://…" in (options.why_not_marked("deployed", "sockets") or "")
    assert f"not for the deployed stage {STAGE}" in (options.why_not_marked("sockets", STAGE) or "")
