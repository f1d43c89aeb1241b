"""A deploy refuses another account or region, and names each resource in its way with its maker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployment import guards, stage
from deployment.aws import Aws
from deployment.errors import DeploymentError
from deployment.stage import Stage
from tests.deployment.accounts import ACCOUNT, REGION, Answers, emulated
from tests.sources import ROOT

pytestmark = pytest.mark.emulator

STAGE = replace(stage.read(ROOT, "dev"), account=ACCOUNT, region=REGION)
API, FUNCTION, ROLE = "sessions-dev", "sessions-dev-sweep", "sessions-dev-sweep"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
OTHERS = {guards.STACK_TAG: "rooms"}


@dataclass(frozen=True)
class Stacks:
    """Stacks with these tags, and these resources."""

    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    made: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def describe(self, name: str) -> Mapping[str, Any] | None:
        tags = self.tags.get(name)
        return None if tags is None else {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def resources(self, name: str) -> frozenset[str]:
        return self.made.get(name, frozenset())


NONE = Stacks()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """An empty account in which, as on AWS, a missing log group has no tags either."""
    from moto.logs.exceptions import ResourceNotFoundException
    from moto.logs.models import LogsBackend

    tags = LogsBackend.list_tags_for_resource

    def listed(self: LogsBackend, resource_arn: str) -> Any:
        if resource_arn.partition(":log-group:")[2] not in self.groups:
            raise ResourceNotFoundException
        return tags(self, resource_arn)

    monkeypatch.setattr(LogsBackend, "list_tags_for_resource", listed)
    with emulated() as account:
        yield account


def refused(aws: Aws, stacks: Stacks = NONE, stage: Stage = STAGE) -> list[str]:
    """Lines of the refusal; empty if there is none."""
    try:
        guards.refuse(aws, stage, stacks)
    except DeploymentError as error:
        return str(error).splitlines()
    return []


def make_function(aws: Aws, name: str, tags: Mapping[str, str]) -> None:
    role = aws.client("iam").create_role(RoleName=f"{name}-other", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    code = {"ZipFile": b"def handler(*_): pass"}
    runtime = {"Runtime": "python3.11", "Handler": "app.handler", "Code": code}
    aws.client("lambda").create_function(FunctionName=name, Role=role, Tags=tags, **runtime)


def make_rest_api(aws: Aws, name: str, function: str, tags: Mapping[str, str]) -> str:
    client = aws.client("apigateway")
    api: str = client.create_rest_api(name=name, tags=tags)["id"]
    root = client.get_resources(restApiId=api)["items"][0]["id"]
    path = client.create_resource(restApiId=api, parentId=root, pathPart="sessions")["id"]
    which = {"restApiId": api, "resourceId": path, "httpMethod": "POST"}
    client.put_method(**which, authorizationType="NONE")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
    client.put_integration(**which, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    return api


def make_websocket_api(aws: Aws, name: str, tags: Mapping[str, str]) -> str:
    client = aws.client("apigatewayv2")
    made = client.create_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.x", Tags=tags)
    api: str = made["ApiId"]
    return api


def make_table(aws: Aws, name: str) -> None:
    key = {"AttributeName": "id"}
    aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{**key, "KeyType": "HASH"}],
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_an_empty_account_is_deployed_to(aws: Aws) -> None:
    assert refused(aws) == []


@pytest.mark.parametrize("unnamed", [replace(STAGE, account=None), replace(STAGE, region=None)])
def test_a_stage_without_a_place_is_told_the_lines_that_name_this_one(aws: Aws, unnamed: Stage) -> None:
    told = refused(aws, stage=unnamed)
    assert told[1:] == [f'  "account": "{ACCOUNT}",', f'  "region": "{REGION}",']


@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [
        (replace(STAGE, account="210987654321"), f"210987654321, {REGION}"),
        (replace(STAGE, region="eu-west-1"), f"{ACCOUNT}, eu-west-1"),
    ],
)
def test_another_account_or_region_is_refused_before_anything_is_asked(elsewhere: Stage, told: str) -> None:
    with Answers().given() as aws:
        (said,) = refused(aws, stage=elsewhere)
    assert f"stands in account {told}" in said
    assert f"Chosen are account {ACCOUNT}, {REGION}" in said


@pytest.mark.parametrize("name", [STAGE.stack, STAGE.tables_stack])
@pytest.mark.parametrize(
    "others", [{"made-by": "another"}, {"app": "another"}, {"stage": "another"}], ids=lambda others: next(iter(others))
)
def test_a_stack_without_all_of_our_tags_is_refused_by_name(name: str, others: Mapping[str, str]) -> None:
    (lacks,) = others
    with Answers().given() as aws:
        (said,) = refused(aws, Stacks(tags={name: {**STAGE.tags, **others}}))
    assert said.startswith(f"The stack {name} is not this stage's: it lacks the tags {lacks}={STAGE.tags[lacks]}.")


def test_a_stage_whose_stack_would_be_the_stack_of_another_stages_tables_is_refused() -> None:
    with Answers().given() as aws:
        (said,) = refused(aws, Stacks(tags={STAGE.tables_stack: STAGE.tags}), replace(STAGE, name="dev-tables"))
    assert f"The stack {STAGE.tables_stack} is not this stage's: it lacks the tags stage=dev-tables." in said


def test_stacks_with_our_tag_and_their_resources_are_not_in_the_way(aws: Aws) -> None:
    make_function(aws, FUNCTION, {guards.STACK_TAG: STAGE.stack, guards.CHALICE_TAG: "1"})
    make_table(aws, "sessions-dev")
    aws.client("logs").create_log_group(logGroupName=STAGE.http_log_group)
    rest = make_rest_api(aws, STAGE.http_api, API, {})
    websocket = make_websocket_api(aws, STAGE.websocket_api, {})
    tags = dict.fromkeys([STAGE.stack, STAGE.tables_stack], STAGE.tags)
    made = frozenset({FUNCTION, STAGE.http_log_group, rest, websocket})
    stands = Stacks(tags, {STAGE.stack: made, STAGE.tables_stack: frozenset({"sessions-dev"})})
    assert refused(aws, stands) == []
    assert len([one for one in refused(aws) if one.startswith("  ") and ": " in one]) == 5


def test_the_sandbox_of_chalice_is_named_with_the_command_that_deletes_it(aws: Aws) -> None:
    make_function(aws, API, {guards.CHALICE_TAG: "version=1.34.0:stage=dev:app=sessions"})
    rest = make_rest_api(aws, "sessions", API, {})
    websocket = make_websocket_api(aws, STAGE.websocket_api, {})
    assert refused(aws) == [
        "sessions-dev cannot be deployed: these have its names and are not part of its stacks.",
        f"  REST API {rest} (sessions): made by chalice deploy",
        f"  WebSocket API {websocket} ({STAGE.websocket_api}): its tags do not say by what it was made",
        f"  function {API}: made by chalice deploy",
        "To remove those of Chalice, where .chalice/deployed/dev.json is: chalice delete --stage dev",
        "If another team uses them, choose another app_name or stage.",
    ]


def test_resources_of_another_stage_of_the_app_are_not_in_the_way(aws: Aws) -> None:
    make_rest_api(aws, "sessions", "sessions-qa", {})
    make_rest_api(aws, "sessions-qa", "sessions-qa", {})
    make_websocket_api(aws, "sessions-qa-websocket-api", {})
    make_function(aws, "sessions-qa", {})
    make_function(aws, "sessions-dev-2", {})
    aws.client("logs").create_log_group(logGroupName=f"{STAGE.http_log_group}-2")
    assert refused(aws) == []


def test_apis_of_another_stack_are_named_with_it(aws: Aws) -> None:
    rest = make_rest_api(aws, STAGE.http_api, "unrelated", OTHERS)
    websocket = make_websocket_api(aws, STAGE.websocket_api, OTHERS)
    assert refused(aws)[1:-1] == [
        f"  REST API {rest} (sessions-dev): made by the stack rooms",
        f"  WebSocket API {websocket} (sessions-dev-websocket-api): made by the stack rooms",
    ]


def test_a_function_that_another_stack_packaged_with_chalice_is_that_stacks(aws: Aws) -> None:
    make_function(aws, FUNCTION, {**OTHERS, guards.CHALICE_TAG: "1"})
    assert refused(aws)[1:-1] == [f"  function {FUNCTION}: made by the stack rooms"]


def test_a_role_a_rule_and_a_table_are_named(aws: Aws) -> None:
    aws.client("iam").create_role(
        RoleName=ROLE, AssumeRolePolicyDocument=TRUST, Tags=[{"Key": guards.STACK_TAG, "Value": "rooms"}]
    )
    aws.client("events").put_rule(Name=STAGE.sweep_rule, ScheduleExpression="rate(1 minute)")
    make_table(aws, "events-dev")
    assert refused(aws)[1:-1] == [
        f"  role {ROLE}: made by the stack rooms",
        f"  event rule {STAGE.sweep_rule}: its tags do not say by what it was made",
        "  table events-dev: its tags do not say by what it was made",
    ]


@pytest.mark.parametrize(
    "name", ["/aws/lambda/sessions-dev", "/aws/apigateway/sessions-dev-http", "/aws/apigateway/sessions-dev-websocket"]
)
def test_a_log_group_that_a_stage_left_is_named_with_the_command_that_deletes_it(aws: Aws, name: str) -> None:
    """Chalice leaves them behind, and CloudFormation makes no log group that exists."""
    aws.client("logs").create_log_group(logGroupName=name, tags=OTHERS)
    assert refused(aws)[1:-1] == [
        f"  log group {name}: made by the stack rooms",
        "To remove the log lines that are left of a stage:",
        f"  aws logs delete-log-group --log-group-name {name}",
    ]


def test_apis_are_looked_for_on_each_page() -> None:
    answers = Answers("apigateway", "apigatewayv2")
    rest, websocket = answers.stubs["apigateway"], answers.stubs["apigatewayv2"]
    rest.add_response("get_rest_apis", {"items": [{"id": "a", "name": "other"}], "position": "next"}, {})
    rest.add_response("get_rest_apis", {"items": [{"id": "b", "name": "sessions"}]}, {"position": "next"})
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:aws:lambda::function:{API}/invocations"
    method = {"GET": {"methodIntegration": {"uri": uri}}}
    pages = {"restApiId": "b", "embed": ["methods"]}
    rest.add_response("get_resources", {"items": [{"id": "r"}], "position": "more"}, pages)
    rest.add_response("get_resources", {"items": [{"resourceMethods": method}]}, {**pages, "position": "more"})
    api = {"ProtocolType": "WEBSOCKET", "RouteSelectionExpression": "$request.body.action"}
    websocket.add_response("get_apis", {"Items": [{"ApiId": "c", "Name": "other", **api}], "NextToken": "next"}, {})
    websocket.add_response(
        "get_apis", {"Items": [{"ApiId": "d", "Name": STAGE.websocket_api, **api}]}, {"NextToken": "next"}
    )
    with answers.given() as aws:
        assert [one.name for one in guards.apis(aws, STAGE, frozenset())] == [
            "b (sessions)",
            "d (sessions-dev-websocket-api)",
        ]


def test_tags_are_asked_for_tables_that_exist_and_read_to_their_last_page() -> None:
    """DynamoDB may deny the tags of a table that does not exist."""
    ours = frozenset(
        {STAGE.sweep_rule, STAGE.http_log_group, STAGE.websocket_log_group}.union(
            *({one.full_name, one.role, one.log_group} for one in STAGE.functions)
        )
    )
    answers = Answers("dynamodb")
    stub, table = answers.stubs["dynamodb"], {"ResourceArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/events-dev"}
    last = {"ExclusiveStartTableName": "another"}
    stub.add_response("list_tables", {"TableNames": ["another"], "LastEvaluatedTableName": "another"}, {})
    stub.add_response("list_tables", {"TableNames": ["events-dev"]}, last)
    stub.add_response("list_tags_of_resource", {"Tags": [{"Key": "team", "Value": "a"}], "NextToken": "next"}, table)
    tags = [{"Key": key, "Value": value} for key, value in OTHERS.items()]
    stub.add_response("list_tags_of_resource", {"Tags": tags}, {**table, "NextToken": "next"})
    with answers.given() as aws:
        (found,) = guards.named(aws, STAGE, ours)
    assert str(found) == "table events-dev: made by the stack rooms"


def test_a_question_that_aws_refuses_is_not_taken_for_an_absence() -> None:
    answers = Answers("lambda")
    answers.stubs["lambda"].add_client_error("list_tags", "AccessDeniedException")
    with answers.given() as aws, pytest.raises(ClientError, match="AccessDenied"):
        list(guards.named(aws, STAGE, frozenset()))
