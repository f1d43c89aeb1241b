"""The report of a failing test says what the gateway and AWS decided, and why."""

from __future__ import annotations

import pytest

from tests.strangers import APP, Stranger

GUARDED = (
    APP
    + """

from chalice import AuthResponse, ConflictError, UnauthorizedError


@app.authorizer()
def member(request):
    if request.token == "Bearer nobody-1234":
        raise Exception("Unauthorized")
    return AuthResponse(routes=["/mine"] if request.token == "Bearer alice-1234" else [], principal_id="alice")


@app.route("/mine", authorizer=member)
def mine():
    table.put_item(Item={"name": "lobby", "people": 1})
    return {}


@app.route("/typo")
def typo():
    return boto3.resource("dynamodb").Table("rooms-eu").get_item(Key={"name": "lobby"})


@app.on_ws_connect()
def connect(event):
    if "as" not in (event.json_body if event.body else ""):
        raise ConflictError("taken")
"""
)


@pytest.fixture
def guarded(stranger: Stranger) -> Stranger:
    (stranger.root / "app.py").write_text(GUARDED)
    return stranger


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_a_mistyped_path_names_the_nearest_route_and_not_the_token(guarded: Stranger, target: str) -> None:
    body = """
        def test_it(chalice_gateway, jwt_tokens):
            http = chalice_gateway.http(token=jwt_tokens("alice"))
            assert http.get("/room/lobby").status_code == http.delete("/rooms/lobby").status_code == 200
    """
    result = guarded.test(f"--sessionplugin-target={target}", test_it=body)
    result.stdout.fnmatch_lines(
        [
            "*http   GET /room/lobby*",
            "*note   no route matches GET /room/lobby; nearest: GET /rooms/{name}",
            "*http   -> 403*",
            "*note   no route matches DELETE /rooms/lobby; /rooms/{name} has GET, POST",
        ]
    )


def test_an_authorizer_is_shown_with_its_answer(guarded: Stranger) -> None:
    body = """
        def test_it(chalice_gateway):
            for token in ("alice-1234", "alice-1234", "bob-1234", "nobody-1234", None):
                last = chalice_gateway.http(token=token).get("/mine")
            assert last.status_code == 200
    """
    result = guarded.test(test_it=body)
    result.stdout.fnmatch_lines(
        [
            "*note   authorizer member -> alice",
            "*aws    dynamodb:PutItem rooms-us-east-1 {name: lobby} -> 200  (api_handler)",
            "*note   authorizer member -> alice, cached",
            "*note   authorizer member -> no policy allows GET /mine (allowed: none), principal alice",
            "*note   authorizer member -> it raised Unauthorized",
            "*note   authorizer member -> not asked: the request has no header Authorization",
        ]
    )
    assert "1234" not in result.stdout.str().partition("- gateway -")[2].partition("- Captured")[0]


def test_a_missing_table_names_those_that_there_are(guarded: Stranger) -> None:
    body = """
        def test_it(chalice_gateway):
            assert chalice_gateway.http().get("/typo").status_code == 200
    """
    guarded.test(test_it=body).stdout.fnmatch_lines(
        [
            "*aws    dynamodb:GetItem rooms-eu {name: lobby} -> 400 ResourceNotFoundException  (api_handler)",
            "*aws    there is no table rooms-eu; did you mean rooms-us-east-1? There are: rooms-us-east-1.",
        ]
    )


def test_a_refused_handshake_and_a_hidden_answer_say_why(guarded: Stranger) -> None:
    body = """
        import pytest

        def test_it(chalice_gateway):
            chalice_gateway.http(headers={"Origin": "https://page.test"}).get("/bug")
            with pytest.raises(Exception):
                chalice_gateway.websocket("/ws")
            chalice_gateway.websocket("/")
    """
    guarded.test(test_it=body).stdout.fnmatch_lines(
        [
            "*note   a browser hides this answer from https://page.test: it has no Access-Control-Allow-Origin; cors=*",
            "*socket * asks for /ws",
            "*note   no WebSocket API is at /ws; it is at / and /api",
            "*socket * is refused: -> 403*",
            "*note   $connect *",
            "*socket * is refused: -> 502*",
        ]
    )


def test_a_test_asserts_which_table_and_key_a_call_was_for(guarded: Stranger) -> None:
    body = """
        def test_it(chalice_gateway, dynamodb_tables, aws_calls):
            chalice_gateway.http(token="alice-1234").get("/mine")
            (put,) = aws_calls
            assert put.table == dynamodb_tables["Rooms"].name
            assert put.key == {"name": "lobby"}
            assert put.parameters["Item"]["people"] == {"N": "1"}
            assert (put.function, put.operation) == ("api_handler", "PutItem")
    """
    guarded.test(test_it=body).assert_outcomes(passed=1)


@pytest.mark.parametrize("token", ["tokens('alice')", "'opaque-0123456789'"])
def test_an_element_of_the_trace_hides_the_token_when_it_is_printed(guarded: Stranger, token: str) -> None:
    body = f"""
        def test_it(chalice_gateway, jwt_tokens):
            tokens = jwt_tokens
            token = {token}
            chalice_gateway.http(token=token).get("/mine?token=" + token)
            printed = repr(chalice_gateway.trace) + str([seen.what for seen in chalice_gateway.trace])
            assert "authorizationToken" in printed and "/mine" in printed
            assert token not in printed
    """
    guarded.test(test_it=body).assert_outcomes(passed=1)


def test_a_delivery_is_shown_with_its_function_its_event_and_its_outcome_in_order(guarded: Stranger) -> None:
    """Also while the clock stands, which gives all of them one time."""
    (guarded.root / "app.py").write_text(
        GUARDED
        + """

@app.on_sqs_message(queue="orders")
def ship(event):
    for record in event:
        table.put_item(Item={"name": record.body})


@app.on_sns_message(topic="news")
def read(event):
    raise ValueError("a bug")
"""
    )
    body = """
        import boto3

        def test_it(chalice_gateway, chalice_clock):
            sqs, sns = boto3.client("sqs"), boto3.client("sns")
            sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="orders")["QueueUrl"], MessageBody="tea")
            sns.publish(TopicArn=sns.create_topic(Name="news")["TopicArn"], Message="hi")
            assert chalice_gateway.deliver_events() == []
    """
    guarded.test(test_it=body).stdout.fnmatch_lines(
        [
            "*  0.000  aws    sqs:SendMessage orders -> 200",
            "*  0.000  lambda ship takes 1 message of the queue orders",
            "*  0.000  aws    dynamodb:PutItem rooms-us-east-1 {name: tea} -> 200  (ship)",
            "*  0.000  lambda ship -> null",
            "*  0.000  lambda read takes 1 notification of the topic news",
            "*  0.000  error  read failed",
            "*ValueError: a bug",
        ]
    )
