"""A project as it stands on disk, and its AWS in memory, without pytest."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import pytest

from pytest_sessionplugin import in_memory
from pytest_sessionplugin.app.project import Memory, Project, specs_of
from pytest_sessionplugin.errors import AppIgnored, ProjectError, SessionPluginError
from tests.strangers import PYPROJECT, write_project

# --- on disk


def test_the_stage_s_variables_are_over_those_of_all(project: Project) -> None:
    assert project.environment == {"GREETING": "hello", "EVERYWHERE": "yes"}
    assert Project(project.root, "prod").environment == {"GREETING": "good day", "EVERYWHERE": "yes"}
    with pytest.raises(ProjectError, match=r"there is no stage none in .*config.json; there are dev, prod\.$"):
        _ = Project(project.root, "none").environment


def configure(project: Project, config: object) -> Project:
    (project.root / ".chalice" / "config.json").write_text(json.dumps(config))
    return project


def test_the_only_stage_is_taken_where_nobody_named_one_and_there_is_no_dev(project: Project) -> None:
    configure(project, {"stages": {"prod": {"environment_variables": {"A": "1"}}, "version": "2.0"}})
    assert (project.stage, project.stage_is_the_only_one, project.environment) == ("prod", True, {"A": "1"})
    assert (project.again().stage, project.again().stage_is_the_only_one) == ("prod", False)
    with pytest.raises(ProjectError, match=r"there is no stage dev in .*; there are prod"):
        _ = Project(project.root, "dev").environment


def test_of_several_stages_without_dev_none_is_taken(project: Project) -> None:
    configure(project, {"stages": {"prod": {}, "beta": {}}})
    with pytest.raises(ProjectError, match=r"there is no stage dev in .*; there are prod, beta\. Name one: "):
        _ = project.environment


@pytest.mark.parametrize("config", [{}, {"stages": {}}])
def test_without_stages_there_is_dev(project: Project, config: object) -> None:
    assert (configure(project, config).stage, project.stage_is_the_only_one) == ("dev", False)


@pytest.mark.parametrize(
    "config",
    [
        {"stages": {"dev": {"api_gateway_stage": "v1"}, "version": "2.0", "app_name": "x", "prod": None}},
        {"stages": {"dev": {}, "prod": {"environment_variables": "A=1", "lambda_functions": {"a": 3}}}},
        {"environment_variables": None, "stages": {"dev": {"environment_variables": None}}},
        {"lambda_functions": {"worker": None}},
    ],
)
def test_a_config_that_chalice_takes_is_taken(project: Project, config: object) -> None:
    assert configure(project, config).environment == {}


def test_other_chalice_objects_are_a_warning_since_chalice_deploys_app(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = "from chalice import Chalice\napp = same = Chalice('chat', configure_logs=False)\n"
    (project.root / "app.py").write_text(app + "old = older = Chalice('old', configure_logs=False)\n")
    monkeypatch.delitem(sys.modules, "app", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.warns(
        AppIgnored, match=r"app.py has Chalice objects besides app, .*: old, older; make a Bluepr"
    ) as said:
        assert project.load().app_name == "chat"
    assert [(each.filename, each.lineno) for each in said] == [(str(project.root / "app.py"), 1)]


def test_a_folder_above_projects_names_some(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_project(tmp_path / "many" / name)
        write_project(tmp_path / "few" / name)
    for name in ("b", "d"):
        (tmp_path / "few" / name / "app.py").unlink()
    for folder, named in (("many", "a, b, c, …"), ("few", "a, c")):
        with pytest.raises(ProjectError, match=rf"it has no app.py\. .* There are projects in: {named}\.$"):
            Project(tmp_path / folder)
    with pytest.raises(ProjectError, match=r"\[tool.sessionplugin\]\.$"):
        Project(tmp_path)


def test_settings_are_the_project_s_or_else_the_rootdir_s(tmp_path: Path) -> None:
    root = write_project(tmp_path / "service")
    assert Project(root).section("env") == {"ROOMS_TABLE": "{table:Rooms}"}
    (root / "pyproject.toml").rename(tmp_path / "pyproject.toml")
    assert Project(root, outer=tmp_path).section("env") == {"ROOMS_TABLE": "{table:Rooms}"}
    assert Project(root).section("env") == {}


def test_a_section_with_other_things_than_texts_is_a_sentence(project: Project) -> None:
    (project.root / "pyproject.toml").write_text("[tool.sessionplugin.env]\nN = 1\n")
    with pytest.raises(ProjectError, match=r"\[tool.sessionplugin.env\] must be a table of strings"):
        project.section("env")


def test_an_app_that_cannot_be_loaded_leaves_nothing_behind(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "app.py").write_text("import chalicelib.a.b.c.d.users\n1 / 0\n")
    users = project.root / "chalicelib" / "a" / "b" / "c" / "d" / "users.py"
    users.parent.mkdir(parents=True)
    users.touch()
    (project.root / "chalicelib" / "__init__.py").touch()
    for name in [each for each in sys.modules if each.partition(".")[0] in ("app", "chalicelib")]:
        monkeypatch.delitem(sys.modules, name)
    before = list(sys.path)
    with pytest.raises(ProjectError, match=r"importing app of .* raised ZeroDivisionError"):
        project.load()
    assert sys.path == before
    assert not {"app", "chalicelib"} & {each.partition(".")[0] for each in sys.modules}


def test_a_chalicelib_without_init_is_found_before_another_project_s(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other") / "chalicelib"
    other.mkdir()
    (other / "__init__.py").touch()
    (project.root / "chalicelib").mkdir()
    (project.root / "chalicelib" / "names.py").write_text('NAME = "chat"\n')
    (project.root / "app.py").write_text(
        "from chalice import Chalice\nfrom chalicelib import names\napp = Chalice(names.NAME)\n"
    )
    monkeypatch.syspath_prepend(str(other.parent))
    for name in [each for each in sys.modules if each.partition(".")[0] in ("app", "chalicelib")]:
        monkeypatch.delitem(sys.modules, name)
    assert project.load().app_name == "chat"


def test_the_app_is_the_same_each_time_and_knows_for_which_variables_it_was_imported(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "app.py").write_text("1 / 0")
    monkeypatch.delitem(sys.modules, "app", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ProjectError):
        project.load({"A": "1"})
    assert project.loaded_for is None
    (project.root / "app.py").write_text("from chalice import Chalice\napp = Chalice('chat', configure_logs=False)\n")
    importlib.invalidate_caches()
    app = project.load({"A": "2"})
    assert app is project.load({"A": "3"})
    assert project.loaded_for == {"A": "2"}


def test_the_template_can_be_elsewhere(project: Project) -> None:
    (project.root / ".chalice" / "resources.json").rename(project.root / "tables.json")
    assert specs_of(project) == {}
    (project.root / "pyproject.toml").write_text('[tool.sessionplugin]\ntemplate = "tables.json"\n')
    assert list(specs_of(Project(project.root))) == ["Rooms"]


# --- in memory


@pytest.mark.emulator
def test_tables_and_environment_are_there_for_a_while(project: Project) -> None:
    before = dict(os.environ)
    with in_memory(project) as aws:
        assert os.environ["ROOMS_TABLE"] == aws.tables["Rooms"].name == "rooms-us-east-1"
        assert os.environ["GREETING"] == "hello"
        aws.tables["Rooms"].put_item(Item={"name": "a"})
    assert dict(os.environ) == before


def test_what_is_told_is_over_the_table_is_over_the_stage_and_nothing_over_the_way_out(project: Project) -> None:
    (project.root / "pyproject.toml").write_text(PYPROJECT + 'GREETING = "from the table"\nEVERYWHERE = "no"\n')
    variables = {"EVERYWHERE": "here: {table:Rooms}", "AWS_ACCESS_KEY_ID": "real"}
    told = Memory(project, variables=variables).variables
    assert told["GREETING"] == "from the table"
    assert told["EVERYWHERE"] == "here: rooms-us-east-1"
    assert told["AWS_ACCESS_KEY_ID"] == "testing"


@pytest.mark.emulator
def test_the_region_that_an_app_is_told_is_where_its_tables_are(project: Project) -> None:
    memory = Memory(project, variables={"AWS_DEFAULT_REGION": "eu-west-1"})
    with memory.open() as emulator:
        emulator.fill()
        (table,) = emulator.named(memory.specs, memory.region).values()
        assert os.environ["AWS_REGION"] == emulator.region == "eu-west-1"
        assert (table.name, table.table_arn.split(":")[3]) == ("rooms-eu-west-1", "eu-west-1")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{table:Romos}", r"T = '{table:Romos}': there is no table Romos; did you mean Rooms"),
        ("{token:key}", r"there is no {token:key}; there are secret, public_key and jwks_url\."),
        ("{token:jwks_url}", r"HS256 has a shared secret and no public key; set algorithm to RS256 or ES256"),
    ],
)
def test_a_placeholder_for_nothing_is_a_sentence(project: Project, value: str, sentence: str) -> None:
    with pytest.raises(SessionPluginError, match=sentence):
        Memory(project, variables={"T": value})


# --- a domain of its own


@pytest.mark.parametrize(
    ("setting", "config", "domain"),
    [
        ("", {}, None),
        ('websocket_domain = "ws.example.com"', {}, "ws.example.com"),
        ('websocket_domain = "WS.Example.com/Chat/v1/"', {}, "ws.example.com/Chat/v1"),
        (
            'websocket_domain = "a1.execute-api.eu-west-1.amazonaws.com"',
            {},
            "a1.execute-api.eu-west-1.amazonaws.com/api",
        ),
        ("", {"domain_name": "ws.example.com", "certificate_arn": "arn"}, "ws.example.com"),
        ("", {"domain_name": "ws.example.com", "url_prefix": "/chat"}, "ws.example.com/chat"),
        ("", {"domain_name": "ws.example.com", "url_prefix": "(none)"}, "ws.example.com"),
        ("", {"domain_name": "ws.example.com", "url_prefix": "/"}, "ws.example.com"),
        ('websocket_domain = "ws.example.com"', {"domain_name": "other.example.com"}, "ws.example.com"),
        ("", {"domain_name": "*.example.com"}, None),
        ("", {"domain_name": 3}, None),
    ],
)
def test_the_domain_of_the_sockets_is_a_setting_or_the_one_that_chalice_deploys(
    tmp_path: Path, setting: str, config: dict[str, object], domain: str | None
) -> None:
    root = write_project(tmp_path, pyproject=f"[tool.sessionplugin]\n{setting}\n")
    path = root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "websocket_api_custom_domain": config}))
    found = Project(root).websocket_domain
    assert (found and str(found)) == domain


@pytest.mark.parametrize("value", ['"https://ws.example.com"', '"localhost"', '""', "3", '"ws.example.com/a b"'])
def test_a_domain_that_is_none_is_a_sentence(tmp_path: Path, value: str) -> None:
    project = Project(write_project(tmp_path, pyproject=f"[tool.sessionplugin]\nwebsocket_domain = {value}\n"))
    with pytest.raises(ProjectError, match=r'it must be a domain, or one with a base path: "ws.example.com" or'):
        _ = project.websocket_domain


# --- other hosts


@pytest.mark.parametrize(("line", "found"), [("", True), ("other_hosts = true", True), ("other_hosts = false", False)])
def test_other_hosts_may_be_reached_unless_the_setting_says_no(tmp_path: Path, line: str, found: bool) -> None:
    project = Project(write_project(tmp_path, pyproject=f"[tool.sessionplugin]\n{line}\n"))
    assert project.other_hosts is found


@pytest.mark.parametrize("value", ['"false"', "0", "[]"])
def test_other_hosts_are_a_boolean(tmp_path: Path, value: str) -> None:
    project = Project(write_project(tmp_path, pyproject=f"[tool.sessionplugin]\nother_hosts = {value}\n"))
    with pytest.raises(ProjectError, match=r"other_hosts in \[tool\.sessionplugin\] must be true or false\."):
        project.other_hosts  # noqa: B018
