"""A stage from an empty account to an empty account: deployed, used, changed, rolled back, destroyed.

Everything happens once, in this order; the tests check what was recorded on the way.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from deployment.gateway_responses import RESPONSES
from pytest_sessionplugin import ConnectionClosed
from tests.processes import ROOT
from tests.rehearsal import in_pytest
from tests.rehearsal.inventory import Inventory
from tests.rehearsal.probes import all_of
from tests.rehearsal.stage import Ran, RehearsedStage, empty_account
from tests.rehearsal.visitor import Visitor

TESTS = ("tests/service/test_http_websocket_integration.py", "tests/service/test_http_api.py")
TEST_SECONDS = 300
PATIENCE = "5"  # seconds to wait for a frame, which a cold start may delay, or to be sure that none comes
ADDED = '\n\n@app.route("/added", cors=app.api.cors)\ndef added() -> dict[str, str]:\n    return {"added": "yes"}\n'
ON_DISCONNECT = "@app.on_ws_disconnect()\n"
DISCONNECT = "websocket_disconnect"
UNENDING = """

_without_wait = additions


def additions(stage: Stage, version: str) -> dict[str, Any]:
    added = _without_wait(stage, version)
    added["Resources"]["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    properties = {"Handle": {"Ref": "Handle"}, "Timeout": "1"}
    added["Resources"]["Wait"] = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": properties}
    return added
"""
"""Ends package.py with a resource that no stack can complete."""


@dataclass(frozen=True)
class Seen:
    """A deployed stage."""

    version: str
    """The version that the service names."""
    said: str
    resources: Mapping[str, str]
    """Physical ids by logical ids."""
    answers: Mapping[str, tuple[int, str]]
    """Status and media type by path."""
    routes: tuple[str, ...]
    deployments: tuple[str, ...]
    """Ids of the WebSocket API's deployments."""
    drifted: Mapping[str, set[str]]


@dataclass(frozen=True)
class Life:
    """A stage's life in order: what each step said and left."""

    version: str
    declined: Ran
    after_declined: set[str]
    never_complete: Ran
    after_never_complete: set[str]
    first: Seen
    made: Mapping[str, tuple[str, str]]
    """Answers of the account that the first deploy has changed, by question: before and after."""
    tests: subprocess.CompletedProcess[str]
    closed: str
    drifted: Mapping[str, set[str]]
    elsewhere: Seen
    kept_code: list[str]
    changed: Seen
    back: Seen
    zip_missing: Ran
    after_zip_missing: Seen
    without_data: set[str]
    left: Mapping[str, tuple[str, str]]
    again: Seen
    destroyed_twice: str


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    with empty_account() as stage:
        inventory, known = Inventory(stage.session, stage.emulator.url), Known(stage)
        version = stage.version
        return Life(
            version=version,
            declined=stage.run("deploy", answer="n\n"),
            after_declined=known.stacks(),
            never_complete=_never_complete(stage),
            after_never_complete=known.stacks(),
            first=known.deployed(),
            made=inventory.differences(),
            tests=_tested(stage),
            closed=_disconnected(stage),
            drifted=_changed_by_hand(stage),
            elsewhere=Known(stage.cloned(tmp_path_factory.mktemp("elsewhere") / "sessions")).deployed(),
            kept_code=stage.kept("code/"),
            changed=_with_other_routes(known),
            back=known.deployed("--version", version),
            zip_missing=_without_its_zip(stage),
            after_zip_missing=known.seen(""),
            without_data=_destroyed(known),
            left=_left(stage, inventory, "--confirm", stage.name),
            again=known.deployed(),
            destroyed_twice=stage.destroy("--confirm", stage.name),
        )


def test_a_no_leaves_no_stack_behind(life: Life) -> None:
    assert life.declined.status == 1
    assert "  added  DynamoDB::Table  Sessions" in life.declined.said
    assert life.declined.said.splitlines()[-1].endswith("Nothing was changed.")
    assert life.after_declined == set()


def test_a_first_deploy_that_fails_says_why_and_leaves_the_tables_alone(life: Life) -> None:
    assert life.never_complete.status == 1
    assert (
        "The stack sessions-dev could not be made, and is deleted again: "
        "Wait: WaitCondition timed out. Received 0 conditions when expecting 1."
    ) in life.never_complete.said
    assert life.after_never_complete == {"sessions-dev-tables"}


def test_an_empty_account_becomes_a_stage_that_answers(life: Life) -> None:
    assert life.first.answers["/health"] == (200, "application/json")
    assert life.first.answers["/health/ready"] == (200, "application/json")
    assert life.first.version == life.version
    assert {"lambda", "iam", "dynamodb", "apigateway", "apigatewayv2", "ssm", "events", "cloudformation", "logs"} <= {
        question.partition(":")[0] for question in life.made
    }


def test_the_tests_of_the_service_pass_on_the_stage(life: Life) -> None:
    said = life.tests.stdout
    assert life.tests.returncode == 0, f"{said[-20_000:]}\n{life.tests.stderr[-4000:]}"
    [passed] = re.findall(r"(\d+) passed", said)
    [skipped] = re.findall(r"(\d+) skipped", said)
    assert int(passed) > 10 * int(skipped), said[-4000:]


def test_all_sockets_can_be_closed(life: Life) -> None:
    assert "  1 sockets closed" in life.closed


def test_a_path_that_is_not_there_is_answered_in_the_services_own_form_after_every_deploy(life: Life) -> None:
    assert any(one.code == "no_such_route" for one in RESPONSES)
    for seen in (life.first, life.elsewhere, life.changed, life.back, life.again):
        assert seen.answers["/nowhere"] == (404, "application/problem+json")
        assert seen.answers["/nowhere with a token"] == (404, "application/problem+json")


def test_a_property_that_is_changed_by_hand_is_found(life: Life) -> None:
    assert life.first.drifted == {}
    assert life.drifted == {"Sweep": {"/MemorySize"}}


def test_the_same_commit_from_another_checkout_changes_nothing_and_says_so(life: Life) -> None:
    assert f"Nothing changes: sessions-dev stands as version {life.version}" in life.elsewhere.said
    assert (life.elsewhere.resources, life.elsewhere.answers) == (life.first.resources, life.first.answers)
    assert len(life.kept_code) == 1, "a zip is kept by its content"


def test_routes_that_change_are_deployed_and_both_apis_keep_their_ids(life: Life) -> None:
    assert life.first.answers["/added"] == (404, "application/problem+json")
    assert life.changed.answers["/added"] == (200, "application/json")
    assert set(life.first.routes) - set(life.changed.routes) == {"$disconnect"}
    assert not set(life.changed.deployments) & set(life.first.deployments)
    assert len(life.changed.deployments) == 1, "the deployment before is removed"
    for api in ("RestAPI", "WebsocketAPI"):
        assert life.changed.resources[api] == life.first.resources[api]
    assert re.search(r"^  changed +ApiGateway::RestApi +RestAPI +.*Body", life.changed.said, re.MULTILINE)
    assert not re.search(r"replaced +(ApiGateway|DynamoDB|Lambda::Function)", life.changed.said)


def test_an_earlier_version_is_deployed_again(life: Life) -> None:
    assert life.changed.version != life.version
    assert life.back.version == life.version
    assert (life.back.answers, life.back.routes) == (life.first.answers, life.first.routes)
    assert life.back.resources.keys() == life.first.resources.keys()
    assert "  package" not in life.back.said


def test_an_update_that_fails_says_why_and_the_stage_is_as_before(life: Life) -> None:
    assert life.zip_missing.status == 1
    assert "The update of sessions-dev failed, and the version before stands: " in life.zip_missing.said
    assert "Failed to fetch code" in life.zip_missing.said
    assert (life.after_zip_missing.version, life.after_zip_missing.routes) == (life.version, life.back.routes)
    assert life.after_zip_missing.drifted == {}


def test_data_stays_unless_its_end_is_confirmed(life: Life) -> None:
    assert life.without_data == {"sessions-dev-tables", "sessions-dev", "connections-dev", "events-dev"}


def test_nothing_is_left_of_a_stage_that_is_destroyed(life: Life) -> None:
    assert life.left == {}


def test_a_destroyed_stage_is_deployed_again(life: Life) -> None:
    assert (life.again.answers, life.again.routes) == (life.changed.answers, life.changed.routes)


def test_what_is_destroyed_may_be_destroyed_again(life: Life) -> None:
    assert "failed" not in life.destroyed_twice


# --- what happens


@dataclass(frozen=True)
class Known:
    """A stage and the means to look at it."""

    stage: RehearsedStage

    def deployed(self, *options: str) -> Seen:
        return self.seen(self.stage.deploy(*options))

    def seen(self, said: str) -> Seen:
        resources = self.stage.resources()
        websocket, client = resources["WebsocketAPI"], self.stage.client("apigatewayv2")
        with Visitor(self.stage) as visitor:
            anyone = visitor.gateway.http()
            answers = {path: anyone.get(path) for path in ("/health", "/health/ready", "/added", "/nowhere")}
            answers["/nowhere with a token"] = visitor.gateway.http(token="e30.e30.e30").get("/nowhere")
        return Seen(
            answers["/health"].json()["version"],
            said,
            resources,
            {path: (one.status_code, one.headers["Content-Type"]) for path, one in answers.items()},
            tuple(sorted(one["RouteKey"] for one in client.get_routes(ApiId=websocket)["Items"])),
            tuple(one["DeploymentId"] for one in client.get_deployments(ApiId=websocket)["Items"]),
            self.stage.drifted(),
        )

    def stacks(self) -> set[str]:
        """Names of the stacks, those that are only in review included."""
        return {one["StackName"] for one in self.stage.client("cloudformation").describe_stacks()["Stacks"]}


def _never_complete(stage: RehearsedStage) -> Ran:
    """A deploy of a commit that cannot be deployed; the checkout then has the commit before."""
    stage.commit("deployment/package.py", lambda text: text + UNENDING)
    ran = stage.run("deploy", "--yes")
    stage.git("reset", "--quiet", "--hard", "HEAD~1")
    return ran


def _tested(stage: RehearsedStage) -> subprocess.CompletedProcess[str]:
    with Visitor(stage) as visitor:
        all_of(visitor)  # a cold start takes longer than a test waits for a missing frame
    target = f"{stage.http},{stage.websocket}"
    environment = {"SESSIONPLUGIN_TOKENS_KEY": stage.key(), in_pytest.PROJECT: str(stage.project)}
    options = ("-q", "-p", "no:cacheprovider", "-p", in_pytest.__name__, f"--sessionplugin-timeout={PATIENCE}")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--sessionplugin-target={target}", *TESTS],
        cwd=ROOT,
        env={**stage.emulator.aws(), **environment},
        capture_output=True,
        text=True,
        timeout=TEST_SECONDS,
    )


def _disconnected(stage: RehearsedStage) -> str:
    """Output of `make disconnect` with one open socket, which it closes."""
    with Visitor(stage) as visitor, visitor.join(visitor.create()) as socket:
        said = stage.disconnect()
        socket.expect(type="closing")
        with pytest.raises(ConnectionClosed):
            socket.receive_text()
    return said


def _changed_by_hand(stage: RehearsedStage) -> Mapping[str, set[str]]:
    """Drift after somebody has changed a function; it is put back."""
    [sweep] = [one for one in stage.described.functions if one.name == "sweep"]
    client = stage.client("lambda")
    client.update_function_configuration(FunctionName=sweep.full_name, MemorySize=128)
    drifted = stage.drifted()
    client.update_function_configuration(FunctionName=sweep.full_name, MemorySize=sweep.memory)
    return drifted


def _with_other_routes(known: Known) -> Seen:
    """A commit with a route more over HTTP, and one less over WebSocket."""
    stage = known.stage
    stage.commit("app.py", lambda text: text.replace(ON_DISCONNECT, "") + ADDED)
    stage.commit("deployment/stage.py", lambda text: text.replace(f' "{DISCONNECT}",', "", 1))
    stage.commit(".chalice/config.json", _without_its_function)
    return known.deployed()


def _without_its_function(text: str) -> str:
    config = json.loads(text)
    for place in (config, *config["stages"].values()):
        place["lambda_functions"].pop(DISCONNECT, None)
    return json.dumps(config)


def _without_its_zip(stage: RehearsedStage) -> Ran:
    """A deploy of the kept version of the checkout, whose zip is gone from the bucket."""
    s3 = stage.client("s3")
    kept = s3.get_object(Bucket=stage.bucket, Key=f"templates/{stage.name}/{stage.version}.json")
    template: Any = json.loads(kept["Body"].read())
    code = template["Resources"]["Sweep"]["Properties"]["CodeUri"]
    s3.delete_object(Bucket=code["Bucket"], Key=code["Key"], VersionId=code["Version"])
    return stage.run("deploy", "--yes", "--version", stage.version)


def _destroyed(known: Known) -> set[str]:
    """Names of the stacks and tables that stand after `make destroy` without a confirmation."""
    known.stage.destroy()
    return known.stacks() | set(known.stage.client("dynamodb").list_tables()["TableNames"])


def _left(stage: RehearsedStage, inventory: Inventory, *confirmed: str) -> Mapping[str, tuple[str, str]]:
    """Differences from an empty account, once the stage and what is kept for all stages are gone."""
    stage.destroy(*confirmed)
    stage.forget_kept()
    return inventory.differences()
