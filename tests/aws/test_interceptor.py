"""The interceptor counts, faults and answers every call of botocore, and sends none."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin.aws.calls import Call, Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.service_requests import ServiceRequest
from pytest_sessionplugin.errors import BlockedCall
from pytest_sessionplugin.gateway.values import Manage, Reply
from tests.aws.opened import Opened, opened
from tests.aws.rooms import client, enter, names, people

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto.emulator import Emulator


pytestmark = pytest.mark.emulator


def test_two_doors_cannot_be_open_at_once(aws: Opened, emulated: Emulator) -> None:
    with pytest.raises(RuntimeError, match="another interceptor is in use already"), opened(emulated):
        pass


# --- counting


def test_a_call_is_counted_once_and_that_of_a_test_s_own_table_not_at_all(aws: Opened, calls: Calls) -> None:
    with calls.exactly({"dynamodb:UpdateItem": 1}, dynamodb=1):
        enter(client())
        people(aws)


def test_calls_consume_units_by_the_sizes_of_items_and_the_indexes_that_change(aws: Opened, calls: Calls) -> None:
    row = {"name": {"S": "a"}, "owner": {"S": "bob"}, "text": {"S": "x" * 1100}}
    with calls.exactly(write_units=4.0):  # two for the table, two for its index
        client().put_item(TableName="rooms", Item=row)
    with calls.exactly(write_units=2.0), calls.exactly(read_units=1.5):  # nothing has changed for the index
        client().put_item(TableName="rooms", Item=row)
        client().get_item(TableName="rooms", Key={"name": {"S": "a"}}, ConsistentRead=True)
        client().scan(TableName="rooms")
    people(aws)
    assert calls.units == (1.5, 6.0)


def test_units_are_consumed_by_failed_conditions_lost_answers_and_the_rest_of_a_batch(
    aws: Opened, calls: Calls, faults: Faults
) -> None:
    dynamodb = client()
    with calls.exactly(write_units=1.0), pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(
            TableName="rooms", Item={"name": {"S": "seeded"}}, ConditionExpression="attribute_exists(nothing)"
        )
    with calls.exactly(write_units=2.0), faults.unprocessed("dynamodb:BatchWriteItem", times=1):
        writes = [{"PutRequest": {"Item": {"name": {"S": name}}}} for name in "abc"]
        dynamodb.batch_write_item(RequestItems={"rooms": writes})
    with calls.exactly(write_units=2.0), faults.answer_lost("dynamodb:PutItem", times=1):
        dynamodb.put_item(TableName="rooms", Item={"name": {"S": "d"}})


def test_an_error_of_our_own_tables_is_none_of_aws_either(
    aws: Opened, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_sessionplugin.aws.dynamodb.store import Store

    def failing(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(Store, "get", failing)
    sentence = "dynamodb:GetItem was blocked: the plugin's DynamoDB failed, and AWS would not: KeyError: 'x'"
    with pytest.raises(BlockedCall, match=sentence):
        client().get_item(TableName="rooms", Key={"name": {"S": "a"}})
    assert [error.operation for error in calls.blocked] == ["GetItem"]


def test_an_error_of_the_emulator_is_none_of_aws(aws: Opened, calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.core.models import botocore_stubber

    def failing(_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(botocore_stubber, "process_request", failing)
    sentence = r"ssm:GetParameter was blocked: moto \d.* failed, and AWS would not: KeyError: 'x'"
    with pytest.raises(BlockedCall, match=sentence):
        client("ssm").get_parameter(Name="a")
    assert [error.operation for error in calls.blocked] == ["GetParameter"]


# --- calls that nothing emulates


def test_a_call_that_nothing_emulates_is_blocked_by_name(aws: Opened, calls: Calls) -> None:
    sentence = "translate:ListLanguages was blocked: nothing emulates it.*https://translate.us-east-1"
    with pytest.raises(BlockedCall, match=sentence):
        client("translate").list_languages()
    assert [str(error).partition(" ")[0] for error in calls.blocked] == ["translate:ListLanguages"]


def test_an_operation_that_moto_lacks_is_blocked_too(aws: Opened) -> None:
    with pytest.raises(BlockedCall, match="dynamodb:ListContributorInsights was blocked: moto cannot do it"):
        client().list_contributor_insights()


def test_an_endpoint_that_a_stage_or_a_test_names_in_the_environment_is_not_taken(
    aws: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    assert set(client().list_tables()["TableNames"]) == {"empty", "rooms"}


# --- faults, and the retries of the SDK


def test_two_throttles_are_two_retries_and_no_sleep(
    aws: Opened, calls: Calls, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = faults.throttled("dynamodb:UpdateItem", times=2)
    dynamodb = client()
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"slept for {seconds} s"))
    enter(dynamodb)
    assert (people(aws), fault.fired, calls.retries, calls.count("dynamodb:UpdateItem")) == (1, 2, 2, 1)
    assert calls.backoff > 0


def test_botocore_sleeps_again_afterwards(emulated: Emulator) -> None:
    import botocore.endpoint

    from pytest_sessionplugin.aws import environment

    endpoint: Any = botocore.endpoint
    with environment.applied(environment.neutral("us-east-1")), opened(emulated):
        assert endpoint.time is not time
        assert endpoint.time.time() == pytest.approx(time.time(), abs=60)
    assert endpoint.time is time


def test_throttles_without_end_reach_the_caller_under_their_name(aws: Opened, faults: Faults) -> None:
    faults.throttled("dynamodb")
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.ProvisionedThroughputExceededException):
        enter(dynamodb)
    assert people(aws) == 0  # a test still sees its tables


def test_an_answer_that_is_lost_doubles_an_add(aws: Opened, calls: Calls, faults: Faults) -> None:
    faults.answer_lost("dynamodb:UpdateItem", times=1)
    enter(client())
    assert (people(aws), calls.retries) == (2, 1)


def test_an_answer_that_is_lost_does_not_double_a_transaction(aws: Opened, calls: Calls, faults: Faults) -> None:
    """The SDK sends the same token again."""
    add = {
        "TableName": "rooms",
        "Key": {"name": {"S": "a"}},
        "UpdateExpression": "ADD people :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    faults.answer_lost("dynamodb:TransactWriteItems", times=1)
    faults.answer_lost("dynamodb:ExecuteTransaction", times=1)
    dynamodb = client()
    dynamodb.transact_write_items(TransactItems=[{"Update": add}])
    assert (people(aws), calls.retries) == (1, 1)
    dynamodb.transact_write_items(TransactItems=[{"Update": add}])
    assert people(aws) == 2
    insert = "INSERT INTO rooms VALUE {'name': 'b', 'people': 1}"
    dynamodb.execute_transaction(TransactStatements=[{"Statement": insert}])
    assert (people(aws, "b"), calls.retries) == (1, 2)
    dynamodb.transact_write_items(TransactItems=[{"Update": add}], ClientRequestToken="mine")
    other = {**add, "Key": {"name": {"S": "c"}}}
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        dynamodb.transact_write_items(TransactItems=[{"Update": other}], ClientRequestToken="mine")
    assert names(aws) == {"seeded", "a", "b"}


def test_a_service_that_is_unreachable_does_nothing(aws: Opened, faults: Faults) -> None:
    from botocore.exceptions import EndpointConnectionError

    with faults.unreachable("dynamodb") as fault, pytest.raises(EndpointConnectionError):
        enter(client())
    assert fault.fired > 1
    assert people(aws) == 0


@pytest.mark.parametrize("items", [1, 2, 3])
def test_a_batch_gives_back_the_first_item_that_it_was_to_write(aws: Opened, faults: Faults, items: int) -> None:
    batch = [{"PutRequest": {"Item": {"name": {"S": f"{number}"}}}} for number in range(items)]
    fault = faults.unprocessed("dynamodb:BatchWriteItem", times=1)
    dynamodb = client()
    answer = dynamodb.batch_write_item(RequestItems={"rooms": batch})
    assert answer["UnprocessedItems"] == {"rooms": batch[:1]}
    assert names(aws) == {"seeded", *(f"{number}" for number in range(1, items))}
    assert dynamodb.batch_write_item(RequestItems=answer["UnprocessedItems"])["UnprocessedItems"] == {}
    assert names(aws) == {"seeded", *(f"{number}" for number in range(items))}
    assert fault.fired == 1


def test_what_sends_again_what_came_back_has_written_all(aws: Opened, faults: Faults, calls: Calls) -> None:
    import boto3

    faults.unprocessed("dynamodb:BatchWriteItem", times=2)
    with boto3.resource("dynamodb").Table("rooms").batch_writer() as batch:
        for number in range(30):
            batch.put_item(Item={"name": f"{number}"})
    assert names(aws) == {"seeded", *map(str, range(30))}


@pytest.mark.parametrize("keys", [1, 2])
def test_a_batch_gives_back_the_first_key_and_how_it_was_to_be_read(aws: Opened, faults: Faults, keys: int) -> None:
    asked = {
        "Keys": [{"name": {"S": name}} for name in ("seeded", "other")[:keys]],
        "ConsistentRead": True,
        "ProjectionExpression": "people",
    }
    faults.unprocessed("dynamodb:BatchGetItem", times=1)
    dynamodb = client()
    answer = dynamodb.batch_get_item(RequestItems={"rooms": asked, "empty": {"Keys": [{"id": {"S": "1"}}]}})
    assert answer["UnprocessedKeys"] == {"rooms": {**asked, "Keys": [{"name": {"S": "seeded"}}]}}
    assert answer["Responses"].get("rooms", []) == []
    again = dynamodb.batch_get_item(RequestItems=answer["UnprocessedKeys"])
    assert (again["Responses"], again["UnprocessedKeys"]) == ({"rooms": [{"people": {"N": "1"}}]}, {})


def test_a_batch_that_is_wrong_is_refused_as_ever(aws: Opened, faults: Faults) -> None:
    faults.unprocessed("dynamodb:BatchWriteItem", times=1)
    batch = {"rooms": [{"PutRequest": {"Item": {"name": {"S": "a"}}}}], "none": [{"DeleteRequest": {"Key": {}}}]}
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.batch_write_item(RequestItems=batch)


def test_a_transaction_in_conflict_does_nothing_and_says_why_for_each_item(
    aws: Opened, calls: Calls, faults: Faults
) -> None:
    puts = [{"Put": {"TableName": "rooms", "Item": {"name": {"S": name}}}} for name in ("a", "b")]
    faults.conflict("dynamodb:TransactWriteItems", times=1)
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as raised:
        dynamodb.transact_write_items(TransactItems=puts)
    response: dict[str, Any] = raised.value.response
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["TransactionConflict", "None"]
    assert response["Error"]["Message"].endswith("for specific reasons [TransactionConflict, None]")
    assert (names(aws), calls.retries) == ({"seeded"}, 0)
    dynamodb.transact_write_items(TransactItems=puts)
    assert names(aws) == {"seeded", "a", "b"}


def test_a_write_beside_a_transaction_is_refused_under_its_own_name(aws: Opened, faults: Faults) -> None:
    faults.conflict("dynamodb:UpdateItem")
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.TransactionConflictException):
        enter(dynamodb)
    assert people(aws) == 0


BY_OWNER = 'SELECT * FROM "rooms"."by-owner" WHERE "owner" = ?'


def test_an_index_lags_behind_and_its_table_does_not(aws: Opened, faults: Faults) -> None:
    dynamodb = client()

    def owned(table: str = "rooms") -> list[str]:
        found = dynamodb.query(
            TableName=table,
            IndexName="by-owner",
            KeyConditionExpression="#owner = :alice",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":alice": {"S": "alice"}},
        )
        return [row["name"]["S"] for row in found["Items"]]

    with faults.stale_indexes("Rooms") as stale:
        dynamodb.put_item(TableName="rooms", Item={"name": {"S": "new"}, "owner": {"S": "alice"}})
        dynamodb.delete_item(TableName="rooms", Key={"name": {"S": "seeded"}})
        assert owned() == owned("arn:aws:dynamodb:us-east-1:123456789012:table/rooms") == ["seeded"]
        assert {row["name"]["S"] for row in dynamodb.scan(TableName="rooms")["Items"]} == {"new"}
        assert stale.fired == 2
        for statement, name in ((BY_OWNER, "seeded"), (BY_OWNER.replace('."by-owner"', ""), "new")):
            found = dynamodb.execute_statement(Statement=statement, Parameters=[{"S": "alice"}])
            assert [row["name"]["S"] for row in found["Items"]] == [name]
    assert owned() == ["new"]


def test_an_index_of_another_table_of_the_same_name_is_not_stale(aws: Opened, faults: Faults) -> None:
    """Neither one in another region, nor one that was made anew."""
    keys = [{"AttributeName": name, "KeyType": "HASH"} for name in ("name", "owner")]
    table = {
        "TableName": "rooms",
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys[:1],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("name", "owner")],
        "GlobalSecondaryIndexes": [
            {"IndexName": "by-owner", "KeySchema": keys[1:], "Projection": {"ProjectionType": "ALL"}}
        ],
    }
    faults.stale_indexes("rooms")
    elsewhere, here = client(region_name="eu-west-1"), client()
    here.delete_table(TableName="rooms")
    for dynamodb in (elsewhere, here):
        dynamodb.create_table(**table)
        assert dynamodb.scan(TableName="rooms", IndexName="by-owner")["Items"] == []


def test_an_index_of_a_table_that_is_gone_is_gone(aws: Opened, faults: Faults) -> None:
    dynamodb = client()
    faults.stale_indexes("rooms")
    dynamodb.delete_table(TableName="rooms")
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.scan(TableName="rooms", IndexName="by-owner")


def test_a_table_without_an_index_has_none_that_could_be_stale(aws: Opened, faults: Faults) -> None:
    with pytest.raises(ValueError, match=r"there is no index of Empty.*there are: none"):
        faults.stale_indexes("Empty")


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("dynamodb", "list_tables", {}),  # json
        ("s3", "list_buckets", {}),  # rest-xml
        ("sns", "list_topics", {}),  # query
        ("ec2", "describe_regions", {}),  # ec2
        ("lambda", "list_functions", {}),  # rest-json
    ],
)
def test_an_error_is_read_in_the_protocol_of_its_service(
    aws: Opened, calls: Calls, faults: Faults, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    from botocore.exceptions import ClientError

    faults.failing(service, code="Oops", status=418, message="short and stout")
    with pytest.raises(ClientError) as raised:
        getattr(client(service), operation)(**arguments)
    assert raised.value.response["Error"]["Code"] == "Oops"
    assert raised.value.response["Error"]["Message"] == "short and stout"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 418
    assert [attempt.outcome for attempt in calls.attempts] == ["418 Oops"]


def test_what_came_of_each_attempt_is_told(aws: Opened, calls: Calls, faults: Faults) -> None:
    faults.throttled("dynamodb:UpdateItem", times=1)
    faults.unreachable("dynamodb:UpdateItem", times=1)
    faults.answer_lost("dynamodb:UpdateItem", times=1)
    enter(client())
    people(aws)
    s3 = client("s3")
    with pytest.raises(s3.exceptions.NoSuchBucket):
        s3.list_objects_v2(Bucket="none")
    with pytest.raises(BlockedCall):
        client("translate").list_languages()
    assert [f"{attempt.call} {attempt.outcome}" for attempt in calls.attempts] == [
        "dynamodb:UpdateItem 400 ProvisionedThroughputExceededException",
        "dynamodb:UpdateItem EndpointConnectionError",
        "dynamodb:UpdateItem ReadTimeoutError",
        "dynamodb:UpdateItem 200",
        "s3:ListObjectsV2 404 NoSuchBucket",
        "translate:ListLanguages BlockedCall",
    ]


# --- calls of other processes


def from_outside(service: str, operation: str, attempt: int = 1, **members: Any) -> ServiceRequest:
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict

    headers: Any = HeadersDict({"X-Amz-Target": f"DynamoDB_20120810.{operation}", "Authorization": ""})
    url = f"https://{service}.us-east-1.amazonaws.com/"
    request = AWSPreparedRequest("POST", url, headers, json.dumps(members).encode(), False)
    return ServiceRequest(Call(service, operation), "json", request, attempt > 1)


def test_a_call_of_another_process_is_answered_and_counted_as_one_of_no_function(aws: Opened, calls: Calls) -> None:
    answer = aws.interceptor.answer_http(from_outside("dynamodb", "ListTables"))
    assert answer is not None
    assert set(json.loads(answer.body)["TableNames"]) == {"empty", "rooms"}
    assert [(str(call), call.function) for call in calls] == [("dynamodb:ListTables", None)]


def test_a_fault_meets_a_call_of_another_process_and_each_retry_of_it(
    aws: Opened, calls: Calls, faults: Faults
) -> None:
    faults.throttled("dynamodb:ListTables", times=1)
    faults.unreachable("dynamodb:ListTables", times=1)
    faults.answer_lost("dynamodb:ListTables", times=1)
    requests = [from_outside("dynamodb", "ListTables", attempt) for attempt in (1, 2, 3, 4)]
    answers = [aws.interceptor.answer_http(request) for request in requests]
    assert [answer and answer.status for answer in answers] == [400, None, None, 200]
    assert len(calls) == 1
    assert [attempt.outcome for attempt in calls.attempts] == [
        "400 ProvisionedThroughputExceededException",
        "EndpointConnectionError",
        "ReadTimeoutError",
        "200",
    ]


def test_a_call_of_another_process_that_nothing_emulates_is_told_it(aws: Opened, calls: Calls) -> None:
    answer = aws.interceptor.answer_http(from_outside("translate", "ListLanguages"))
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["__type"]) == (501, "NotImplemented")
    assert "translate:ListLanguages was blocked" in json.loads(answer.body)["message"]
    assert len(calls.blocked) == 1


# --- the management API


class Recorder:
    """A gateway that answers each call the same."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.calls: list[Manage] = []

    def manage(self, call: Manage) -> Reply:
        self.calls.append(call)
        return self.reply


HOST = "abc.execute-api.us-east-1.amazonaws.com"


def management() -> Any:
    return client("apigatewaymanagementapi", endpoint_url=f"https://{HOST}/api")


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("data", [b"hi", "hi", b"", io.BytesIO(b"hi")])
def test_a_post_comes_to_the_gateway_as_it_would_to_aws(
    aws: Opened, calls: Calls, faults: Faults, data: Any, lost: bool
) -> None:
    aws.apis.gateway = gateway = Recorder(Reply(200))
    if lost:
        faults.answer_lost("apigatewaymanagementapi", times=1)
    response = management().post_to_connection(ConnectionId="VNR=", Data=data)
    body = b"hi" if data else b""
    assert gateway.calls == [Manage("POST", HOST, "/api/@connections/VNR%3D", body)] * (2 if lost else 1)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert calls.count("apigatewaymanagementapi:PostToConnection") == 1


def test_a_post_is_signed_and_sent_only_if_a_fault_could_meet_it(aws: Opened, faults: Faults) -> None:
    aws.apis.gateway = gateway = Recorder(Reply(200))
    signed: list[str] = []
    api = management()
    api.meta.events.register("before-sign", lambda event_name, **_: signed.append(event_name))
    api.post_to_connection(ConnectionId="VNR=", Data=b"1")
    assert signed == []
    faults.throttled("apigatewaymanagementapi", "VNR=", times=1)
    api.post_to_connection(ConnectionId="other", Data=b"2")
    assert signed == []
    api.post_to_connection(ConnectionId="VNR=", Data=b"3")
    assert signed == ["before-sign.apigatewaymanagementapi.PostToConnection"] * 2
    assert len(gateway.calls) == 3


def test_what_the_gateway_says_of_a_connection_is_parsed(aws: Opened) -> None:
    body = b'{"connectedAt": "2026-01-02T03:04:05Z", "identity": {"sourceIp": "127.0.0.1"}}'
    aws.apis.gateway = Recorder(Reply(200, (("Content-Type", "application/json"),), body))
    found = management().get_connection(ConnectionId="VNR=")
    assert found["ConnectedAt"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert found["Identity"] == {"SourceIp": "127.0.0.1"}


@pytest.mark.parametrize(
    ("status", "name", "body"),
    [
        (410, "GoneException", b""),
        (413, "PayloadTooLargeException", b'{"message": "too much"}'),
        (403, "ForbiddenException", b""),
    ],
)
def test_a_refusal_is_typed_and_the_same_whether_it_was_sent_or_not(
    aws: Opened, faults: Faults, status: int, name: str, body: bytes
) -> None:
    aws.apis.gateway = gateway = Recorder(Reply(status, (("x-amzn-ErrorType", name),), body))
    api = management()

    def refused() -> dict[str, Any]:
        with pytest.raises(getattr(api.exceptions, name)) as raised:
            api.post_to_connection(ConnectionId="VNR=", Data=b"hi")
        response: dict[str, Any] = raised.value.response
        assert response.pop("ResponseMetadata")["HTTPStatusCode"] == status
        return response

    answered_at_once = refused()
    # With a fault that could fire, the post is signed and sent, and tried again.
    faults.throttled("apigatewaymanagementapi", "VNR=", times=1)
    assert refused() == answered_at_once
    assert len(gateway.calls) == 2


def test_a_throttled_post_is_tried_again_and_arrives_once(aws: Opened, calls: Calls, faults: Faults) -> None:
    aws.apis.gateway = gateway = Recorder(Reply(200))
    faults.throttled("apigatewaymanagementapi", "VNR=", times=2)
    api = management()
    api.post_to_connection(ConnectionId="other", Data=b"1")
    api.post_to_connection(ConnectionId="VNR=", Data=b"2")
    assert [call.body for call in gateway.calls] == [b"1", b"2"]
    assert (calls.retries, len(calls)) == (2, 2)


def test_a_connection_that_is_gone_is_gone_for_that_id_only(aws: Opened, faults: Faults) -> None:
    aws.apis.gateway = gateway = Recorder(Reply(200))
    faults.gone("VNR=")
    api = management()
    with pytest.raises(api.exceptions.GoneException):
        api.post_to_connection(ConnectionId="VNR=", Data=b"1")
    api.post_to_connection(ConnectionId="other", Data=b"2")
    assert [call.body for call in gateway.calls] == [b"2"]


def test_without_a_gateway_a_post_is_blocked(aws: Opened) -> None:
    with pytest.raises(BlockedCall, match="PostToConnection was blocked: no gateway is here"):
        management().post_to_connection(ConnectionId="VNR=", Data=b"hi")
