"""Section H: Chalice's WebSocket handlers, as seen from outside."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.client import Client
from tests.conformance.websocket import CLOSE, Socket

NOBODY = "AAAAAAAAAAAAAAA="
GONE = "WebsocketDisconnectedError"
NOT_CONFIGURED = "ValueError: WebsocketAPI.configure must be called before using the WebsocketAPI"
NO_SESSION = "ValueError: Assign app.websocket_api.session to a boto3 session before using the WebsocketAPI"


def frame_of(socket: Socket) -> str:
    """The gateway's message in the next frame."""
    return str(json.loads(socket.read())["message"])


def reports(client: Client) -> list[dict[str, Any]]:
    """Events of the three functions, from one connection."""
    witness = client.witness()
    socket = client.connect(query=f"witness={witness.quoted_id}")
    connect = witness.report("connect")
    socket.say()
    message = socket.report("message")
    socket.close()
    return [connect, message, witness.report("disconnect")]


def domain_and_stage(socket: Socket) -> list[str]:
    context = socket.connect_event["requestContext"]
    return [context["domainName"], context["stage"]]


def test_h1_there_are_three_routes(whole: Client) -> None:
    """Exactly three routes are possible: $connect, $default and $disconnect."""
    keys = [report["event"]["requestContext"]["routeKey"] for report in reports(whole)]
    assert keys == ["$connect", "$default", "$disconnect"]


@pytest.mark.parametrize("text", ['{"action": "message"}', '{"action": "connect"}', '{"action": "do"}', "[]", "plain"])
def test_h2_every_message_is_default(whole: Client, text: str) -> None:
    """Every message is $default, whatever its action."""
    socket = whole.connect()
    socket.text(text)
    assert socket.report("message")["event"]["requestContext"]["routeKey"] == "$default"


def test_h3_only_the_routes_of_handlers_are_there(listening: Client, mute: Client) -> None:
    """Without on_ws_connect everybody is accepted; without on_ws_message every message is Forbidden."""
    accepted = listening.connect(query="do=nothing", headers=("Authorization: none",))
    accepted.text("hello")
    assert accepted.read() == "hello"
    unheard = mute.connect()
    unheard.text("hello")
    assert frame_of(unheard) == "Forbidden"


def test_h4_each_handler_is_a_function_of_its_own(whole: Client) -> None:
    """Each handler is its own Lambda function, beside that of the HTTP views, and shares no globals with the others."""
    told = [*reports(whole), whole.http("GET", "/echo").json()]
    assert len({each["function"] for each in told}) == 4
    assert len({each["copy"] for each in told}) == 4


@pytest.mark.parametrize("value", [None, "refused", 403, ["no", 403], {}, True, {"body": "b"}, {"headers": {"a": "b"}}])
def test_h5_what_a_handler_returns_is_made_a_proxy_result(whole: Client, value: Any) -> None:
    """{"statusCode": 200} replaces any other result than a dict or a Response, and completes a dict without one."""
    assert whole.handshake(["return", value]).status == 101
    assert whole.handshake(["respond", {"body": {"an": "object"}, "headers": {"a": "b", "c": ["d"]}}]).status == 101
    assert whole.handshake(["respond", {"body": "no", "status_code": 409}]).status >= 400


def test_h6_only_a_dict_or_a_response_refuses(whole: Client) -> None:
    """return 401, False or ("no", 401) accepts; {"statusCode": 401} and a Response with 401 refuse."""
    accepting = [["return", 401], ["return", False], ["return", ["no", 401]]]
    refusing = [["return", {"statusCode": 401}], ["respond", {"body": "", "status_code": 401}]]
    assert [whole.handshake(step).status for step in accepting] == [101] * 3
    assert [whole.handshake(step).status >= 400 for step in refusing] == [True] * 2


def test_h7_a_dict_with_other_keys_is_malformed(whole: Client) -> None:
    """A dict with other keys reaches the gateway unchanged and is malformed: refused, or Internal server error."""
    assert whole.handshake(["return", {"foo": "bar"}]).status >= 400
    socket = whole.connect()
    socket.say(["return", {"foo": "bar"}])
    socket.report("message")
    assert frame_of(socket) == "Internal server error"


def test_h8_no_error_of_a_handler_becomes_a_status(whole: Client) -> None:
    """UnauthorizedError is a failed function, as in A7 and C7, unless a middleware turns it into a Response."""
    assert whole.handshake(["unauthorized", "who are you?"]).status not in (101, 401)
    assert whole.handshake(["forbidden", "not you"]).status >= 400
    socket = whole.connect()
    socket.say(["unauthorized", "who are you?"])
    socket.report("message")
    assert frame_of(socket) == "Internal server error"
    socket.say(["forbidden", ""])
    socket.report("message")
    assert socket.works()


def test_h9_the_body_of_connect_and_disconnect_is_the_text_none(whole: Client) -> None:
    """event.body is text: "None" for CONNECT and DISCONNECT."""
    connect, message, disconnect = reports(whole)
    assert (connect["attributes"]["body"], disconnect["attributes"]["body"]) == ("None", "None")
    assert message["attributes"]["body"] == message["event"]["body"]


def test_h10_json_body_raises_for_what_is_no_json(whole: Client) -> None:
    """event.json_body raises if the body is not JSON: Internal server error; JSON lists and scalars are accepted."""
    socket = whole.connect()
    socket.text("uncaught: {")
    assert frame_of(socket) == "Internal server error"
    for text, value in (("[1, 2]", [1, 2]), ("7", 7), ('"word"', "word"), ("null", None)):
        socket.text(text)
        assert socket.report("message")["json"] == value


def test_h11_an_event_has_five_attributes(whole: Client) -> None:
    """WebsocketEvent has domain_name, stage, connection_id, body and context; all else is in to_dict()."""
    for report in reports(whole):
        attributes, context = report["attributes"], report["event"]["requestContext"]
        assert set(attributes) == {"domain_name", "stage", "connection_id", "body", "context"}
        assert attributes["domain_name"] == context["domainName"]
        assert attributes["stage"] == context["stage"]
        assert attributes["connection_id"] == context["connectionId"]


def test_h12_the_first_configuration_wins(whole: Client) -> None:
    """Each event configures websocket_api with its API and stage; the first configuration of a process stays."""
    socket = whole.connect()
    socket.say(["configure", "elsewhere.example.org", "other"], ["send", "self", "hello"])
    socket.report("message")
    assert socket.read() == "hello"
    assert socket.outcome("send") == "ok"


def test_h13_the_endpoint_is_made_of_the_api_and_the_region(whole: Client) -> None:
    """@connections is called at https, at the host of apiId and region, with the stage."""
    socket = whole.connect()
    socket.say(["endpoint"])
    context = socket.report("message")["event"]["requestContext"]
    host = f"{context['apiId']}.execute-api.{whole.deployed.region}.amazonaws.com"
    assert socket.outcome("endpoint")["url"] == f"https://{host}/{context['stage']}"


def test_h14_configure_makes_it_https(whole: Client) -> None:
    """websocket_api.configure(domainName, stage) uses https://{domainName}/{stage}, where @connections is."""
    socket, _ = whole.watched()
    domain, stage = domain_and_stage(socket)
    told = {"session": True, "configure": [domain, stage]}
    endpoint, sent = whole.outcomes(["apart", told, "endpoint"], ["apart", told, "send", socket.id, "hello"])
    assert endpoint["apart"]["url"] == f"https://{domain}/{stage}"
    assert sent == {"apart": "ok"}
    assert socket.read() == "hello"


def test_h15_an_endpoint_in_the_environment_changes_nothing(whole: Client) -> None:
    """AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI has no effect on websocket_api."""
    socket = whole.connect()
    socket.say(["endpoint"], ["send", "self", "hello"])
    socket.report("message")
    endpoint = socket.outcome("endpoint")
    assert endpoint["environment"] == "http://127.0.0.1:9"
    assert urlsplit(endpoint["url"]).netloc != "127.0.0.1:9"
    assert socket.read() == "hello"


def test_h16_only_gone_is_translated(whole: Client) -> None:
    """send, close and info call @connections: 410 is WebsocketDisconnectedError, and other errors are botocore's."""
    full, _ = whole.watched()
    told = {"session": True, "configure": domain_and_stage(full)}
    too_large = ["apart", told, "send", full.id, "x" * 131_073]  # a message could not carry it
    (outcome,) = whole.outcomes(too_large)
    assert outcome["apart"] != GONE  # D9 and E13 cover the refusal and its name
    other, _ = whole.watched()
    socket = whole.connect()
    calls = [["send", NOBODY, "x"], ["info", NOBODY], ["close", NOBODY]]
    socket.say(["info", other.id], *calls, ["send", other.id, "hello"], ["close", other.id])
    socket.report("message")
    info = socket.outcome("info")
    assert "ResponseMetadata" in info  # boto3's return value, unchanged
    assert [socket.outcome(step) for step in ("send", "info", "close")] == [GONE] * 3
    assert [socket.outcome(step) for step in ("send", "close")] == ["ok"] * 2
    assert other.read() == "hello"
    assert other.next()[0] == CLOSE


def test_h17_a_connection_that_has_left_is_told_apart(whole: Client) -> None:
    """Chalice raises WebsocketDisconnectedError for the 410 of a connection that has left."""
    gone, witness = whole.watched()
    gone.close()
    witness.report("disconnect")
    socket = whole.connect()
    socket.say(["send", gone.id, "x"], ["info", gone.id], ["close", gone.id])
    socket.report("message")
    assert [socket.outcome(step) for step in ("send", "info", "close")] == [GONE] * 3


def test_h18_without_a_session_or_an_endpoint_send_raises(whole: Client) -> None:
    """send() without a session, or before configure(), raises a ValueError that says so."""
    socket, _ = whole.watched()
    configured = domain_and_stage(socket)
    without_session = ["apart", {"session": False, "configure": configured}, "send", socket.id, "x"]
    without_endpoint = ["apart", {"session": True}, "send", socket.id, "x"]
    assert whole.outcomes(without_session, without_endpoint) == [{"apart": NO_SESSION}, {"apart": NOT_CONFIGURED}]
    assert socket.works()  # nothing was posted


def test_h19_send_fails_in_a_view(whole: Client) -> None:
    """Only WebSocket events configure the endpoint, so send() in an HTTP view raises ValueError."""
    socket, _ = whole.watched()
    assert socket.works()
    assert whole.outcomes(["send", socket.id, "x"]) == [{"send": NOT_CONFIGURED}]
    assert socket.works()  # nothing was posted


def test_h20_nobody_but_on_ws_connect_keeps_anyone_out(whole: Client) -> None:
    """There are no authorizers, keys, models or route responses: on_ws_connect alone decides on access."""
    for headers in ((), ("Authorization: Bearer nonsense",), ("x-api-key: none",)):
        assert whole.connect(headers=headers).works()
    assert whole.handshake(["return", {"statusCode": 403}]).status == 403
    socket = whole.connect()
    socket.text('{"action": {"deep": [null]}}')  # no model refuses it
    assert socket.report("message")["event"]["requestContext"]["routeKey"] == "$default"


def test_h21_a_returned_response_is_not_delivered(whole: Client) -> None:
    """No route response is deployed, so the Response of on_ws_message reaches no client."""
    socket = whole.connect()
    socket.say(["respond", {"body": "to nobody", "headers": {"Content-Type": "text/plain"}}])
    socket.report("message")
    assert socket.works()
    assert socket.works()


def test_h23_a_handler_goes_on_after_its_time_out(whole: Client) -> None:
    """The function may take longer than the integration's 29 s: it goes on after the client was told of a time-out."""
    socket = whole.connect()
    with whole.holding("h23") as name:
        socket.say(["hold", name], ["send", "self", "done at last"])
        socket.report("message")
        whole.advance(29)
        assert frame_of(socket) == "Endpoint request timed out"
    assert socket.read() == "done at last"


@pytest.mark.parametrize("slash", ["/", ""])
def test_h24_the_url_ends_in_the_stage(whole: Client, slash: str) -> None:
    """The URL is the API's and ends in its stage, with or without a slash."""
    witness = whole.witness()
    whole.connect(query=f"witness={witness.quoted_id}", path=slash)
    stage = witness.report("connect")["event"]["requestContext"]["stage"]
    assert urlsplit(whole.deployed.websocket).path.endswith(f"/{stage}")


def test_h27_a_warm_function_keeps_its_globals(whole: Client) -> None:
    """A warm function keeps its globals between connections, and can send to the one that it serves."""
    counts = []
    for _ in range(2):
        socket = whole.connect()
        socket.say(["send", "self", "hello"])
        report = socket.report("message")
        counts.append((report["copy"], report["invocations"]))
        assert socket.read() == "hello"
    (copy, first), (same, second) = counts
    assert same == copy
    assert second > first
