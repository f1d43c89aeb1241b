"""The packaged template describes the stage, field by field, and cfn-lint accepts it.

The dependencies are left out; installing them needs a package index (`tests/packaging`).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployment import chalice, lint, package, policies, source, stage
from deployment.artifacts import Code
from deployment.aws import Place
from deployment.monitoring import resources as monitoring
from pytest_sessionplugin.tokens.keys import local_key
from tests.deployment import test_pipeline
from tests.deployment.checkouts import checkout, commit, git
from tests.deployment.wheels import Shelf, offline
from tests.sources import ROOT

pytestmark = pytest.mark.process  # Chalice packages in a process of its own
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text())
STAGES = {name: stage.read(ROOT, name) for name in CONFIG["stages"]}
PLACE = Place("aws", "eu-north-1", "111122223333")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, package.Package]:
    """The package of each stage."""
    project = checkout(tmp_path_factory.mktemp("project"))
    made = {}
    for name, one in STAGES.items():
        exported = source.export(project, tmp_path_factory.mktemp("source"))
        made[name] = package.build(one, exported, tmp_path_factory.mktemp("build") / name, lambda line: None)
    return made


class Described:
    """A stage as its template describes it, with the values that CloudFormation would fill in."""

    def __init__(self, name: str, packaged: package.Package) -> None:
        self.stage = STAGES[name]
        self.version = packaged.version
        self.folder = packaged.code.parent
        self.document: dict[str, Any] = json.loads((self.folder / "template.json").read_text())
        self.resources: dict[str, Any] = self._filled(self.document["Resources"])

    def properties(self, logical_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.resources[logical_id]["Properties"]
        return found

    def of_type(self, kind: str) -> dict[str, Any]:
        return {name: one for name, one in self.resources.items() if one["Type"] == kind}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("Fn::Sub"), str):
            return re.sub(r"\$\{([\w:]+)\}", lambda found: self._known(found[1]), value["Fn::Sub"])
        return {name: self._filled(one) for name, one in value.items()}

    def _known(self, name: str) -> str:
        pseudo = {"AWS::Partition": PLACE.partition, "AWS::Region": PLACE.region, "AWS::AccountId": PLACE.account}
        if name in pseudo:
            return pseudo[name]
        resource = self.document["Resources"].get(name, {"Type": ""})
        if resource["Type"] == "AWS::Logs::LogGroup":
            return str(resource["Properties"]["LogGroupName"])
        return "ws1" if name == "WebsocketAPI" else f"<{name}>"


@pytest.fixture(params=list(STAGES))
def described(request: pytest.FixtureRequest, packaged: Mapping[str, package.Package]) -> Described:
    return Described(request.param, packaged[request.param])


def test_functions_are_those_of_the_stage(described: Described) -> None:
    for function in described.stage.functions:
        properties = described.properties(chalice.logical_id(function.name))
        assert properties["FunctionName"] == function.full_name
        assert (properties["MemorySize"], properties["Timeout"]) == (function.memory, function.timeout)
        own = {"VERSION": described.version}
        if function.name == stage.REST:
            own["WEBSOCKET_URL"] = "wss://ws1.execute-api.eu-north-1.<AWS::URLSuffix>/api"
        assert properties["Environment"]["Variables"] == {**function.environment, **own}
        assert properties["Tracing"] == ("Active" if described.stage.tracing else "PassThrough")
    assert len(described.of_type("AWS::Serverless::Function")) == len(described.stage.functions)


def test_a_stage_may_name_the_address_of_its_sockets(tmp_path: Path) -> None:
    for named in ("wss://live.example.org", ""):
        config = json.loads((ROOT / ".chalice" / "config.json").read_text())
        config["stages"]["dev"]["environment_variables"]["WEBSOCKET_URL"] = named
        project = tmp_path / f"project{len(named)}"
        shutil.copytree(ROOT / ".chalice", project / ".chalice")
        (project / ".chalice" / "config.json").write_text(json.dumps(config))
        merged = package.additions(stage.read(project, "dev"), "a-version")["Resources"]
        assert "WEBSOCKET_URL" not in merged["APIHandler"]["Properties"]["Environment"]["Variables"]


def test_a_function_has_the_narrowed_policy_and_no_other(described: Described) -> None:
    for function in described.stage.functions:
        [role, _] = described.document["Resources"][chalice.logical_id(function.name)]["Properties"]["Role"][
            "Fn::GetAtt"
        ]
        properties = described.document["Resources"][role]["Properties"]
        [policy] = properties["Policies"]
        assert policy["PolicyDocument"] == policies.narrowed(described.stage, function)
        assert "ManagedPolicyArns" not in properties


def test_logs_are_kept_as_long_as_the_stage_says_and_not_longer(described: Described) -> None:
    groups = [one["Properties"] for one in described.of_type("AWS::Logs::LogGroup").values()]
    ours = described.stage
    names = {*(one.log_group for one in ours.functions), ours.http_log_group, ours.websocket_log_group}
    assert {group["LogGroupName"] for group in groups} == names
    assert {group["RetentionInDays"] for group in groups} == {ours.log_days}


def test_a_function_waits_for_its_log_group(described: Described) -> None:
    """Lambda would create a missing group itself, without retention."""
    for function in described.stage.functions:
        [group] = described.resources[chalice.logical_id(function.name)]["DependsOn"]
        assert described.properties(group)["LogGroupName"] == function.log_group


def test_functions_name_the_version_of_their_source(described: Described) -> None:
    assert re.fullmatch("[0-9a-f]{12}", described.version)
    for one in described.of_type("AWS::Serverless::Function").values():
        assert described.version in one["Properties"]["Description"]
        assert one["Properties"]["Tags"]["version"] == described.version
        assert "aws-chalice" in one["Properties"]["Tags"]


def test_the_sweep_is_neither_retried_nor_queued(described: Described) -> None:
    [settings] = described.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert settings["Properties"] == {
        "FunctionName": {"Ref": "Sweep"},
        "Qualifier": "$LATEST",
        "MaximumEventAgeInSeconds": 60,
        "MaximumRetryAttempts": 0,
    }


def test_roles_have_no_names_so_that_a_second_region_has_its_own(described: Described) -> None:
    roles = described.of_type("AWS::IAM::Role")
    assert len(roles) == len(described.stage.functions)
    assert [name for name, role in roles.items() if "RoleName" in role["Properties"]] == []


def test_the_rest_api_has_the_settings_of_chalice(described: Described) -> None:
    properties = described.properties("RestAPI")
    assert properties["EndpointConfiguration"] == CONFIG["api_gateway_endpoint_type"] == "REGIONAL"
    assert properties["MinimumCompressionSize"] == CONFIG["minimum_compression_size"]


def test_there_is_no_second_stage_without_these_settings(described: Described) -> None:
    """SAM adds one named `Stage`, unless it knows the version of the definition:

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-api.html
    """
    assert described.properties("RestAPI")["OpenApiVersion"] == "2.0"


def test_the_stack_owns_no_table_and_nothing_of_the_whole_account(described: Described) -> None:
    kinds = {one["Type"] for one in described.resources.values()}
    assert kinds & {"AWS::DynamoDB::Table", "AWS::ApiGateway::Account"} == set()
    assert "Parameters" not in described.document


def test_monitoring_is_in_the_stack_of_the_stage(described: Described) -> None:
    expected = monitoring.resources(described.stage, websocket_api={"Ref": "WebsocketAPI"})
    assert {name: described.document["Resources"][name] for name in expected} == expected


def test_the_urls_are_outputs(described: Described) -> None:
    outputs, path = described.document["Outputs"], f"/{described.stage.api_stage}/"
    assert outputs[package.HTTP_URL]["Value"]["Fn::Sub"].startswith("https://${RestAPI}.execute-api.")
    assert outputs[package.WEBSOCKET_URL]["Value"]["Fn::Sub"].startswith("wss://${WebsocketAPI}.execute-api.")
    for name in (package.HTTP_URL, package.WEBSOCKET_URL):
        assert outputs[name]["Value"]["Fn::Sub"].endswith(path)


def test_a_pipelines_role_may_make_each_kind_of_resource(described: Described) -> None:
    made = {one["Type"] for one in described.resources.values()}
    assert made - {"AWS::Serverless::Function", "AWS::Serverless::Api"} <= test_pipeline.KINDS


def test_the_sweep_is_started_by_a_rule_of_the_name_that_is_watched(described: Described) -> None:
    [event] = described.properties("Sweep")["Events"].values()
    assert event["Properties"] == {"Schedule": "rate(1 minute)", "Name": described.stage.sweep_rule}


def test_a_template_is_for_any_account_and_region(described: Described) -> None:
    text = json.dumps(described.document)
    assert not re.search(r"(?<![\w.])\d{12}(?![\w.])", text)
    assert not re.search(r"\b[a-z]{2}(-[a-z]+)+-\d\b", text)


def test_a_package_is_a_template_and_the_zip_that_it_names(
    described: Described, packaged: Mapping[str, package.Package]
) -> None:
    assert sorted(path.name for path in described.folder.iterdir()) == ["deployment.zip", "template.json"]
    code = {one["Properties"]["CodeUri"] for one in described.of_type("AWS::Serverless::Function").values()}
    assert code == {"./deployment.zip"}
    assert described.document == packaged[described.stage.name].template


@pytest.mark.slow
def test_cfn_lint_has_nothing_to_say(packaged: Mapping[str, package.Package]) -> None:
    """With the zip where it is, and in a bucket."""
    templates = {name: one.template for name, one in packaged.items()}
    templates["located"] = package.located(templates["dev"], Code("bucket", "code/1.zip", "v1"))
    said: list[str] = []
    lint.check(templates, said.append)
    assert said == []


def built(project: Path, folder: Path) -> package.Package:
    return package.build(STAGES["dev"], source.export(project, folder / "source"), folder / "out", lambda line: None)


def test_a_commit_makes_the_same_template_and_zip_in_two_checkouts(tmp_path: Path) -> None:
    first = checkout(tmp_path / "first")
    git(tmp_path, "clone", "--quiet", str(first), "elsewhere")
    local_key(first, "HS256")
    packages = [built(project, tmp_path / f"of-{project.name}") for project in (first, tmp_path / "elsewhere")]
    assert len({one.digest for one in packages}) == 1
    assert len({hashlib.sha256(one.code.read_bytes()).hexdigest() for one in packages} | {packages[0].digest}) == 1
    assert len({(one.code.parent / "template.json").read_bytes() for one in packages}) == 1


def test_the_zip_of_a_commit_is_that_of_the_one_before_unless_code_changed(tmp_path: Path) -> None:
    project = checkout(tmp_path / "project")
    before = built(project, tmp_path / "before")
    (project / "README.md").write_text("Changed")
    version = commit(project)[:12]
    after = built(project, tmp_path / "after")
    assert (after.digest, after.version) == (before.digest, version)
    (project / "chalicelib" / "added.py").write_text("ADDED = True\n")
    assert built(project, tmp_path / "changed").digest != before.digest


def test_the_zip_holds_the_locked_packages_and_chalice_fetches_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = offline(Shelf(tmp_path), monkeypatch)
    shelf.wheel("locked", "py3-none-any")
    project = checkout(tmp_path / "project")
    shutil.copy(shelf.lock, project)
    (project / "requirements.txt").write_text("fetched==1.0\n")
    with zipfile.ZipFile(built(project, tmp_path).code) as opened:
        assert "locked.py" in opened.namelist()
        assert [name for name in opened.namelist() if "vendor" in name] == []
