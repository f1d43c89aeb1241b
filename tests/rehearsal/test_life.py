"""A stage from an empty account to an empty account: deployed, used, redeployed with other routes, destroyed.

Everything happens once, in this order; the tests check what was recorded on the way.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployment.gateway_responses import RESPONSES
from tests.emulators.ministack import workarounds
from tests.processes import ROOT
from tests.rehearsal import in_pytest
from tests.rehearsal.inventory import Inventory
from tests.rehearsal.probes import all_of
from tests.rehearsal.stage import RehearsedStage, empty_account
from tests.rehearsal.visitor import Visitor

TESTS = ("tests/service/test_http_websocket_integration.py", "tests/service/test_http_api.py")
TEST_SECONDS = 300
PATIENCE = "5"  # seconds to wait for a frame, which a cold start may delay, or to be sure that none comes
ADDED = '\n\n@app.route("/added", cors=app.api.cors)\ndef added() -> dict[str, str]:\n    return {"added": "yes"}\n'
ON_DISCONNECT = "@app.on_ws_disconnect()\n"
DISCONNECT = "websocket_disconnect"
CONFIGURATION = Path(".chalice") / "config.json"


@dataclass(frozen=True)
class Seen:
    """State after a deploy: differences from an empty account, and answers of the APIs."""

    said: str
    differences: Mapping[str, tuple[str, str]]
    answers: Mapping[str, tuple[int, str]]  # status and media type by path
    routes: tuple[str, ...]
    deployment: str
    """The id of the WebSocket stage's deployment."""
    description: str
    """Description of that deployment."""
    deployments: int
    """Number of the WebSocket API's deployments."""
    log_days: Mapping[str, int | None]
    """Retention of each log group in days; None is for ever."""


@dataclass
class Life:
    """A stage's life in order: what each step left."""

    first: Seen
    tests: subprocess.CompletedProcess[str]
    again: Seen
    http_changed: Seen
    websocket_changed: Seen
    put_back: Seen
    left: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    destroyed_twice: str = ""


@pytest.fixture(scope="module")
def life() -> Life:
    with empty_account() as stage:
        inventory = Inventory(stage.session, stage.emulator.url)
        first = _deployed(stage, inventory)
        lived = Life(
            first,
            _tested(stage),
            _deployed(stage, inventory),
            _deployed(_with_another_http_route(stage), inventory),
            _deployed(_without_a_websocket_route(stage), inventory),
            _deployed(_with_it_again(stage), inventory),
        )
        stage.destroy()
        lived.left = inventory.differences()
        lived.destroyed_twice = stage.destroy()
        return lived


def test_an_empty_account_becomes_a_stage_that_answers(life: Life) -> None:
    assert life.first.answers["/health"] == (200, "application/json")
    assert life.first.answers["/health/ready"] == (200, "application/json")
    assert {"lambda", "iam", "dynamodb", "apigateway", "apigatewayv2", "ssm", "events", "cloudformation", "logs"} <= {
        what.partition(":")[0] for what in life.first.differences
    }


def test_the_tests_of_the_service_pass_on_the_stage(life: Life) -> None:
    said = life.tests.stdout
    assert life.tests.returncode == 0, f"{said[-20_000:]}\n{life.tests.stderr[-4000:]}"
    [passed] = re.findall(r"(\d+) passed", said)
    [skipped] = re.findall(r"(\d+) skipped", said)
    assert int(passed) > 10 * int(skipped), said[-4000:]


def test_a_path_that_is_not_there_is_answered_in_the_services_own_form_after_every_deploy(life: Life) -> None:
    assert any(one.code == "no_such_route" for one in RESPONSES)
    for seen in (life.first, life.again, life.http_changed, life.websocket_changed, life.put_back):
        assert seen.answers["/nowhere"] == (404, "application/problem+json")


def test_a_deploy_without_changes_changes_no_route(life: Life) -> None:
    assert (life.again.routes, life.again.answers) == (life.first.routes, life.first.answers)
    assert (life.again.deployment, life.again.description) == (life.first.deployment, life.first.description)
    assert life.again.differences.keys() == life.first.differences.keys()


def test_a_route_that_is_added_over_http_is_reached_and_leaves_the_websocket_routes_deployed_as_they_were(
    life: Life,
) -> None:
    assert life.again.answers["/added"] == (404, "application/problem+json")
    assert life.http_changed.answers["/added"] == (200, "application/json")
    assert life.http_changed.answers["/health"] == (200, "application/json")
    assert life.http_changed.deployment == life.again.deployment


def test_websocket_routes_that_change_are_deployed(life: Life) -> None:
    assert set(life.http_changed.routes) - set(life.websocket_changed.routes) == {"$disconnect"}
    assert life.websocket_changed.deployment != life.http_changed.deployment
    assert life.websocket_changed.description != life.http_changed.description
    assert life.put_back.description == life.first.description
    assert life.put_back.deployment not in {life.first.deployment, life.websocket_changed.deployment}
    assert life.put_back.deployments == 1, "what is not deployed any more is removed"


def test_no_log_is_kept_for_ever(life: Life) -> None:
    assert {
        f"/aws/lambda/sessions-dev{name}" for name in ("", "-websocket_connect", "-sweep")
    } <= life.first.log_days.keys()
    for seen in (life.first, life.put_back):
        assert set(seen.log_days.values()) == {14}


def test_nothing_is_left_of_a_stage_that_is_destroyed(life: Life) -> None:
    assert life.left == {}


def test_what_is_destroyed_may_be_destroyed_again(life: Life) -> None:
    assert "failed" not in life.destroyed_twice


# --- what happens


def _deployed(stage: RehearsedStage, inventory: Inventory) -> Seen:
    said = stage.deploy()
    websocket, client = stage.api("websocket_api"), stage.client("apigatewayv2")
    current = client.get_stage(ApiId=websocket, StageName=stage.described.api_stage)["DeploymentId"]
    deployments: Any = {one["DeploymentId"]: one for one in client.get_deployments(ApiId=websocket)["Items"]}
    with Visitor(stage) as visitor:
        anyone = visitor.gateway.http()
        answers = {path: anyone.get(path) for path in ("/health", "/health/ready", "/added", "/nowhere")}
    return Seen(
        said,
        inventory.differences(),
        {path: (one.status_code, one.headers["Content-Type"]) for path, one in answers.items()},
        tuple(sorted(one["RouteKey"] for one in client.get_routes(ApiId=websocket)["Items"])),
        current,
        deployments[current]["Description"],
        len(deployments),
        {
            one["logGroupName"]: one.get("retentionInDays")
            for one in stage.client("logs").describe_log_groups()["logGroups"]
        },
    )


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


def _with_another_http_route(stage: RehearsedStage) -> RehearsedStage:
    _edit(stage.project / "app.py", lambda text: text + ADDED)
    return stage


def _without_a_websocket_route(stage: RehearsedStage) -> RehearsedStage:
    _edit(stage.project / "app.py", lambda text: text.replace(ON_DISCONNECT, ""))
    _edit(stage.project / "deployment" / "stage.py", lambda text: text.replace(f' "{DISCONNECT}",', "", 1))
    _edit(stage.project / CONFIGURATION, _without_its_function)
    return stage


def _without_its_function(text: str) -> str:
    config = json.loads(text)
    for place in (config, *config["stages"].values()):
        del place["lambda_functions"][DISCONNECT]
    return json.dumps(config)


def _with_it_again(stage: RehearsedStage) -> RehearsedStage:
    for name in ("app.py", "deployment/stage.py", CONFIGURATION):
        shutil.copy(ROOT / name, stage.project / name)
    workarounds.put_beside(stage.project)
    return stage


def _edit(path: Path, change: Any) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")
