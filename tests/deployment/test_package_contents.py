"""The packaged template describes the same stage as a deploy, field by field, and cfn-lint accepts it.

The command packages it with an empty zip; building the real one needs the package index (`tests/packaging`).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployment import chalice, commands, policies, stage
from deployment.aws import Place
from deployment.monitoring import resources as monitoring
from tests.sources import ROOT

pytestmark = pytest.mark.process  # all tests read what one run of the command wrote
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text())
TABLES = ROOT / ".chalice" / "resources.json"
STAGES = {name: stage.read(ROOT, name) for name in CONFIG["stages"]}
PLACE = Place("aws", "eu-north-1", "111122223333")


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folder of each stage's package."""
    project = tmp_path_factory.mktemp("project")
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "deployed"))
    shutil.copy(ROOT / "app.py", project)
    code = project / "code.zip"
    code.touch()
    for name in STAGES:
        command = [sys.executable, "-m", "deployment", "--project", str(project), "package", "--stage", name]
        options = ["--out", str(project / "build" / name), "--code", str(code)]
        run = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
    return {name: project / "build" / name for name in STAGES}


class Recorder:
    """A client to which every API looks new; records its calls."""

    def __init__(self) -> None:
        self.asked: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> dict[str, Any]:
            self.asked[name].append(arguments)
            return {"items": [], "Items": [], "DeploymentId": "d1"}

        return call


class Described:
    """A stage as its template describes it, with the values that CloudFormation would fill in."""

    def __init__(self, name: str, folder: Path) -> None:
        self.stage = STAGES[name]
        self.document: dict[str, Any] = json.loads((folder / "template.json").read_text())
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
def described(request: pytest.FixtureRequest, packaged: Mapping[str, Path]) -> Described:
    return Described(request.param, packaged[request.param])


def test_functions_are_those_of_the_stage(described: Described) -> None:
    for function in described.stage.functions:
        properties = described.properties(chalice.logical_id(function.name))
        assert properties["FunctionName"] == function.full_name
        assert (properties["MemorySize"], properties["Timeout"]) == (function.memory, function.timeout)
        assert properties["Environment"]["Variables"] == function.environment
        assert properties["Tracing"] == ("Active" if described.stage.tracing else "PassThrough")
    assert len(described.of_type("AWS::Serverless::Function")) == len(described.stage.functions)


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


def test_a_function_waits_for_its_log_group_and_the_tables(described: Described) -> None:
    """Lambda would create a missing group itself, without retention."""
    for function in described.stage.functions:
        waits = described.resources[chalice.logical_id(function.name)]["DependsOn"]
        groups = [name for name in waits if described.resources[name]["Type"] == "AWS::Logs::LogGroup"]
        assert [described.properties(group)["LogGroupName"] for group in groups] == [function.log_group]
        assert set(waits) - set(groups) == set(described.stage.tables)


def test_the_rest_api_has_the_settings_of_chalice(described: Described) -> None:
    properties = described.properties("RestAPI")
    assert properties["EndpointConfiguration"] == CONFIG["api_gateway_endpoint_type"] == "REGIONAL"
    assert properties["MinimumCompressionSize"] == CONFIG["minimum_compression_size"]


def test_there_is_no_second_stage_without_these_settings(described: Described) -> None:
    """SAM adds one named `Stage`, unless it knows the version of the definition:

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-api.html
    """
    assert described.properties("RestAPI")["OpenApiVersion"] == "2.0"


def test_tables_are_those_of_their_own_stack(described: Described) -> None:
    own = json.loads(TABLES.read_text())
    resources, parameters = described.document["Resources"], described.document["Parameters"]
    assert {name: resources[name] for name in own["Resources"]} == own["Resources"]
    told = {name: parameters[name]["Default"] for name in own["Parameters"]}
    assert told == commands.tables_parameters(described.stage)
    assert parameters["Stage"]["AllowedValues"] == [described.stage.name]


def test_monitoring_is_in_the_stack_of_the_stage(described: Described) -> None:
    expected = monitoring.resources(described.stage, websocket_api={"Ref": "WebsocketAPI"})
    found = {name: described.document["Resources"][name] for name in expected}
    for name in (monitoring.HTTP_LOGS, monitoring.WEBSOCKET_LOGS):
        found[name]["Properties"].pop("Tags")
    assert found == expected


def test_the_sweep_is_started_by_a_rule_of_the_name_that_is_watched(described: Described) -> None:
    [event] = described.properties("Sweep")["Events"].values()
    assert event["Properties"] == {"Schedule": "rate(1 minute)", "Name": described.stage.sweep_rule}


def test_a_template_is_for_any_account_and_region(described: Described) -> None:
    text = json.dumps(described.document)
    assert not re.search(r"(?<![\w.])\d{12}(?![\w.])", text)
    assert not re.search(r"\b[a-z]{2}(-[a-z]+)+-\d\b", text)


def test_a_package_is_a_template_and_the_zip_that_it_names(described: Described, packaged: Mapping[str, Path]) -> None:
    folder = packaged[described.stage.name]
    assert sorted(path.name for path in folder.iterdir()) == ["deployment.zip", "template.json"]
    code = {one["Properties"]["CodeUri"] for one in described.of_type("AWS::Serverless::Function").values()}
    assert code == {"./deployment.zip"}


@pytest.mark.slow
def test_cfn_lint_has_nothing_to_say_but_of_a_template_that_is_wrong(
    packaged: Mapping[str, Path], tmp_path: Path
) -> None:
    """All templates in one run: cfn-lint takes seconds to start."""
    templates = [folder / "template.json" for folder in packaged.values()]
    wrong = json.loads(templates[0].read_text())
    wrong["Resources"]["WebsocketAPIStage"]["Properties"]["DefaultRouteSettings"]["Throttle"] = 1
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    every = [*templates, TABLES, tmp_path / "wrong.json"]
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--format", "json", *map(str, every)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    found = [(Path(one["Filename"]).name, one["Rule"]["Id"], one["Message"]) for one in json.loads(run.stdout)]
    assert [(name, rule) for name, rule, _ in found] == [("wrong.json", "E3002")], found
