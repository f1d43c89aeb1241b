"""An app invokes its own functions with `lambda:Invoke`, in a stranger's project."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.processes import sessionplugin_serve
from tests.strangers import CONFIG, TABLE, Stranger, write_project

APP = """
import json
import os
import boto3
from chalice import Chalice

app = Chalice("shop")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
functions = boto3.client("lambda")


def ask(function, event, kind="RequestResponse"):
    return functions.invoke(FunctionName=function, InvocationType=kind, Payload=json.dumps(event))


def note(what):
    boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"]).update_item(
        Key={"name": "log"},
        UpdateExpression="SET #w = list_append(if_not_exists(#w, :none), :one)",
        ExpressionAttributeNames={"#w": "what"},
        ExpressionAttributeValues={":none": [], ":one": [what]},
    )


@app.route("/price/{number}")
def price(number):
    return json.load(ask("chat-dev-price_of", {"number": number})["Payload"])


@app.route("/mail/{text}", methods=["POST"])
def mail(text):
    asked = ask("chat-dev-send_mail", {"text": text}, "Event")
    note("answered")
    return {"status": asked["StatusCode"]}


@app.route("/loop/{kind}", methods=["POST"])
def loop(kind):
    return {"rounds": json.load(ask("chat-dev-again", {"round": 1, "kind": kind})["Payload"])}


@app.lambda_function()
def price_of(event, context):
    if not isinstance(event, dict):
        return [event, context.aws_request_id, context.function_name]
    if event.get("number") == "13":
        raise LookupError("no price for 13")
    return {"price": 7, "pi": "\\u03c0"}


@app.lambda_function(name="send_mail")
def mailer(event, context):
    note(context.aws_request_id if event["text"] == "fails" else event["text"])
    if event["text"] == "fails":
        raise OSError("no mail today")
    if event.get("connection"):
        app.websocket_api.configure(event["domain"], event["stage"])
        app.websocket_api.send(event["connection"], "mailed")


@app.lambda_function()
def again(event, context):
    if event["kind"] == "Event":
        note(event["round"])
        ask(context.function_name, {**event, "round": event["round"] + 1}, "Event")
        return event["round"]
    try:
        return json.load(ask(context.function_name, {**event, "round": event["round"] + 1})["Payload"])
    except functions.exceptions.RecursiveInvocationException:
        return event["round"]


@app.lambda_function()
def much(event, context):
    return "x" * event


@app.on_ws_message()
def message(event):
    where = {"connection": event.connection_id, "domain": event.domain_name, "stage": event.stage}
    ask("chat-dev-send_mail", {"text": event.body, **where}, "Event")
    app.websocket_api.send(event.connection_id, "asked")
"""

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]}

CONFTEST = """
    import json
    import boto3
    import pytest

    @pytest.fixture
    def noted(dynamodb_tables):
        return lambda: dynamodb_tables["Rooms"].get_item(Key={"name": "log"}).get("Item", {}).get("what", [])

    @pytest.fixture
    def invoke(chalice_gateway):
        def invoke(function, payload=None, **arguments):
            client = boto3.client("lambda")
            given = {} if payload is None else {"Payload": payload}
            return client.invoke(FunctionName=function, **given, **arguments)

        return invoke
"""

CALLS = """
    import json
    import boto3
    import pytest
    from botocore.exceptions import ClientError

    pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])

    def test_a_route_gets_the_answer_of_a_function(chalice_gateway, aws_calls):
        assert chalice_gateway.http().get("/price/1").json() == {"price": 7, "pi": "\\u03c0"}
        assert [(str(call), call.function) for call in aws_calls] == [("lambda:Invoke", "api_handler")]

    def test_what_it_raises_is_its_answer(chalice_gateway, invoke):
        report = chalice_gateway.http().get("/price/13").json()
        assert (report["errorType"], report["errorMessage"]) == ("LookupError", "no price for 13")
        answer = invoke("chat-dev-price_of", '{"number": "13"}')
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        report = json.load(answer["Payload"])
        assert report["requestId"] == answer["ResponseMetadata"]["RequestId"]
        assert report["stackTrace"][-1].splitlines()[-1].strip() == 'raise LookupError("no price for 13")'
        assert "sessionplugin" not in "".join(report["stackTrace"])

    @pytest.mark.parametrize("name", [
        "chat-dev-price_of",
        "chat-dev-price_of:$LATEST",
        "123456789012:function:chat-dev-price_of",
        "arn:aws:lambda:us-east-1:123456789012:function:chat-dev-price_of",
        "arn:aws:lambda:us-east-1:123456789012:function:chat-dev-price_of:$LATEST",
    ])
    def test_every_form_of_its_name(invoke, name):
        answer = invoke(name, "1.5")
        assert "FunctionError" not in answer
        assert answer["ExecutedVersion"] == "$LATEST"
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert json.load(answer["Payload"]) == [1.5, request_id, "chat-dev-price_of"]

    def test_nothing_is_an_empty_object_and_null_is_null(invoke):
        assert json.load(invoke("chat-dev-price_of")["Payload"])["price"] == 7
        assert json.load(invoke("chat-dev-price_of", "null")["Payload"])[0] is None
        assert json.load(invoke("chat-dev-price_of", "[]", Qualifier="$LATEST")["Payload"])[0] == []

    @pytest.mark.parametrize("name", ["chat-dev-nobody", "chat-dev-price_of:live", "price_of",
        "arn:aws:lambda:eu-west-1:123456789012:function:chat-dev-price_of"])
    def test_who_is_not_there(invoke, name):
        with pytest.raises(ClientError) as refused:
            invoke(name, "{}")
        error = refused.value.response
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 404
        assert error["Error"]["Code"] == "ResourceNotFoundException"
        assert error["Error"]["Message"].startswith("Function not found: arn:aws:lambda:")
        assert error["Error"]["Message"].endswith(f":function:{name.rpartition('function:')[2]}")

    @pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
    def test_what_is_no_json(invoke, noted, kind):
        client = boto3.client("lambda")
        with pytest.raises(client.exceptions.InvalidRequestContentException, match="Could not parse request body into"):
            client.invoke(FunctionName="chat-dev-send_mail", Payload=b"{'a'", InvocationType=kind)
        assert noted() == []

    def test_too_much(invoke):
        def refused(size, kind):
            with pytest.raises(ClientError) as refused:
                invoke("chat-dev-price_of", json.dumps("x" * (size - 2)), InvocationType=kind)
            error = refused.value.response
            assert error["ResponseMetadata"]["HTTPStatusCode"] == 413
            return error["Error"]["Message"]

        assert json.load(invoke("chat-dev-price_of", json.dumps("x" * (2**21 * 3 - 2)))["Payload"])
        assert "Request must be smaller than 6291456 bytes" in refused(2**21 * 3 + 1, "RequestResponse")
        assert invoke("chat-dev-again", json.dumps({"kind": "", "x": "x" * 2**19}), InvocationType="DryRun")
        assert "1048577 byte payload is too large for the Event" in refused(2**20 + 1, "Event")
        answer = invoke("chat-dev-much", str(2**21 * 3 + 99))
        assert json.load(answer["Payload"])["errorType"] == "Function.ResponseSizeTooLarge"
        assert "FunctionError" not in invoke("chat-dev-much", str(2**21 * 3 + 98))

    def test_a_dry_run_runs_nothing(invoke, noted):
        assert invoke("chat-dev-send_mail", '{"text": "hello"}', InvocationType="DryRun")["StatusCode"] == 204
        assert noted() == []

    def test_a_time_out(invoke, aws_faults):
        aws_faults.timed_out("price_of", times=1)
        answer = invoke("chat-dev-price_of", "{}")
        report = json.load(answer["Payload"])
        request_id = answer["ResponseMetadata"]["RequestId"]
        assert report["errorMessage"] == f"RequestId: {request_id} Error: Task timed out after 20.00 seconds"
        assert "FunctionError" not in invoke("chat-dev-price_of", "{}")

    def test_throttling_is_tried_again(invoke, aws_faults, aws_calls):
        aws_faults.throttled("lambda:Invoke", times=2)
        assert "FunctionError" not in invoke("chat-dev-price_of", "{}")
        assert aws_calls.retries == 2
        client = boto3.client("lambda")
        with aws_faults.throttled("lambda:Invoke"), pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName="chat-dev-price_of")

    def test_a_policy_without_it(chalice_gateway, aws_calls):
        chalice_gateway.http().get("/price/1")
        (denial,) = aws_calls.denied_by(".chalice/policy-dev.json")
        assert (denial.action, denial.function) == ("lambda:InvokeFunction", "api_handler")
        assert denial.resource.endswith(":function:chat-dev-price_of")

    def test_a_chain_without_an_end_is_ended(chalice_gateway, noted):
        assert chalice_gateway.http().post("/loop/RequestResponse").json() == {"rounds": 16}
        assert chalice_gateway.http().post("/loop/Event").json() == {"rounds": 1}
        chalice_gateway.settle()
        assert noted() == list(range(1, 17))
"""

LATER = """
    import pytest

    BOTH = pytest.mark.chalice(targets=["inprocess", "sockets"])

    def test_an_event_waits_until_its_caller_has_returned(chalice_gateway, noted):
        assert chalice_gateway.http().post("/mail/hello").json() == {"status": 202}
        assert noted() == ["answered", "hello"]
        assert chalice_gateway.retries == ()

    @BOTH
    def test_an_event_of_a_test_or_a_handler_is_run(chalice_gateway, invoke, noted):
        assert invoke("chat-dev-send_mail", '{"text": "hello"}', InvocationType="Event")["StatusCode"] == 202
        chalice_gateway.settle()
        assert noted() == ["hello"]
        with chalice_gateway.websocket() as ws:
            ws.send_text("post")
            assert {ws.receive_text(), ws.receive_text()} == {"asked", "mailed"}
        chalice_gateway.settle()
        assert noted() == ["hello", "post"]

    @BOTH
    def test_what_fails_is_tried_twice_more_a_minute_and_two_later(chalice_clock, chalice_gateway, noted):
        chalice_gateway.http().post("/mail/fails")
        chalice_gateway.settle()
        (retry,) = chalice_gateway.retries
        assert (retry.function, retry.event, retry.attempt) == ("send_mail", {"text": "fails"}, 2)
        assert retry.due == chalice_clock.now.timestamp() + 60
        chalice_clock.advance(seconds=59)
        assert len(noted()) == 2
        for minutes, tries in ((1, 2), (1, 2), (1, 3), (60, 3)):
            chalice_clock.advance(minutes=minutes)
            assert len(noted()) == 1 + tries
        assert len({*noted()} - {"answered"}) == 1, "the request id is the same in each attempt"
        assert chalice_gateway.retries == ()

    @BOTH
    def test_without_a_clock_it_waits(chalice_gateway, noted):
        chalice_gateway.http().post("/mail/fails")
        chalice_gateway.settle()
        assert [retry.attempt for retry in chalice_gateway.retries] == [2]
        assert len(noted()) == 2

    def test_nothing_waits_from_another_test(chalice_gateway):
        assert chalice_gateway.retries == ()

    def test_the_trace_tells(chalice_clock, chalice_gateway):
        chalice_gateway.http().post("/mail/fails")
        chalice_clock.advance(minutes=10)
        assert False
"""


def project(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / ".chalice" / "policy-dev.json").write_text(json.dumps(POLICY))


def test_a_caller_that_waits(stranger: Stranger) -> None:
    project(stranger)
    result = stranger.test(conftest=CONFTEST, test_it=CALLS)
    result.assert_outcomes(passed=2 * 21)


def test_a_caller_that_does_not_wait(stranger: Stranger) -> None:
    project(stranger)
    result = stranger.test(conftest=CONFTEST, test_it=LATER)
    result.assert_outcomes(passed=2 + 2 * 3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "* lambda send_mail failed at attempt 1; the next one in 60 seconds",
            "*no mail today",
            "* lambda send_mail failed at attempt 3, the last one: its event is dropped",
        ]
    )


def test_functions_of_another_app_are_reached_by_their_names(stranger: Stranger) -> None:
    project(stranger)
    other = stranger.root / "orders"
    write_project(other, APP)
    (other / ".chalice" / "config.json").write_text(json.dumps({**CONFIG, "app_name": "orders"}))
    table = {**TABLE, "Properties": {**TABLE["Properties"], "TableName": "orders"}}  # type: ignore[dict-item]
    (other / ".chalice" / "resources.json").write_text(json.dumps({"Resources": {"Rooms": table}}))
    body = """
        import pytest
        from botocore.exceptions import ClientError

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_it(chalice_clock, chalice_gateway, invoke, dynamodb_tables):
            event = dict(payload='{"text": "fails"}', InvocationType="Event")
            with pytest.raises(ClientError, match="Function not found"):
                invoke("orders-dev-send_mail", **event)
            chalice_gateway.of("orders")
            invoke("orders-dev-send_mail", **event)
            chalice_gateway.settle()
            assert [each.function for each in chalice_gateway.retries] == ["orders:send_mail"]
            chalice_clock.advance(minutes=1)
            rows = dynamodb_tables.of("orders")["Rooms"].scan()["Items"]
            assert [len(row["what"]) for row in rows] == [2]
            assert dynamodb_tables["Rooms"].scan()["Items"] == []
    """
    stranger.test(conftest=CONFTEST, test_it=body).assert_outcomes(passed=2)


@pytest.mark.process
def test_a_served_app_invokes_its_functions(tmp_path: Path) -> None:
    write_project(tmp_path, APP)
    with sessionplugin_serve(tmp_path) as served:

        def ask(path: str, body: bytes | None = None) -> Any:
            request = urllib.request.Request(served.http + path, body, {"Content-Type": "application/json"})  # noqa: S310 - on loopback
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                return json.load(answer)

        assert ask("/price/7") == {"price": 7, "pi": "π"}
        assert ask("/mail/hello", b"{}") == {"status": 202}
        assert ask("/loop/RequestResponse", b"{}") == {"rounds": 16}
