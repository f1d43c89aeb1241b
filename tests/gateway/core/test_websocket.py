"""WebSockets as API Gateway runs them, in the pure core: inputs and a clock in, effects out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Backlog,
    Close,
    Closed,
    CustomDomain,
    Handshake,
    Invoke,
    Message,
    Refuse,
    Reply,
    Returned,
    Send,
    TimedOut,
)
from tests.gateway.core.desk import API, NOON, Desk, only


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestHandshake:
    def test_is_pending_until_connect_has_returned(self, desk: Desk) -> None:
        connect = desk.connect()
        assert connect.function == "on_connect"
        assert desk.core.effects() == []
        assert desk.answer(connect) == [Accept("alice", None)]

    def test_without_a_connect_route_is_accepted_and_calls_nothing(self) -> None:
        desk = Desk(Api(websocket={"$default": "on_message"}))
        assert desk.receive(Handshake("alice")) == [Accept("alice", None)]
        assert desk.receive(Closed("alice", 1000)) == []

    @pytest.mark.parametrize("status", [200, 201, 204, 299, "200"])
    def test_is_accepted_by_any_2xx(self, desk: Desk, status: object) -> None:
        assert desk.answer(desk.connect(), {"statusCode": status}) == [Accept("alice", None)]

    @pytest.mark.parametrize("status", [302, 400, 401, 403, 410, 500, 503])
    def test_is_refused_with_the_status_of_the_function(self, desk: Desk, status: int) -> None:
        result = {"statusCode": status, "headers": {"X-Why": "no"}, "body": "no"}
        reply = only(desk.answer(desk.connect(), result), Refuse).reply
        assert reply.status == status
        assert "no" not in str(reply.headers)
        assert b"no" not in reply.body

    def test_with_a_status_that_has_no_body_gets_none(self, desk: Desk) -> None:
        assert only(desk.answer(desk.connect(), {"statusCode": 304, "body": "no"}), Refuse).reply == Reply(304)

    def test_past_500_a_second_is_429_and_calls_nothing(self, desk: Desk) -> None:
        """A24. The caller decides with `throttled`: the core does not count."""
        reply = only(desk.receive(Handshake("alice", throttled=True)), Refuse).reply
        assert (reply.status, dict(reply.headers)["x-amzn-ErrorType"]) == (429, "LimitExceededException")
        assert desk.core.due() is None
        desk.open()

    @pytest.mark.parametrize(
        ("path", "query", "status"),
        [("/api", "x" * 4_092, None), ("/", "x" * 4_096, 413), ("/other", "", 403), ("//", "", 403)],
    )
    def test_asks_for_the_stage_in_4096_characters(self, desk: Desk, path: str, query: str, status: int | None) -> None:
        """A1."""
        (effect,) = desk.receive(Handshake("alice", path, query))
        assert (effect.reply.status if isinstance(effect, Refuse) else None) == status

    def test_a_refused_connection_never_existed(self, desk: Desk) -> None:
        desk.answer(desk.connect(), {"statusCode": 403})
        assert desk.manage("GET")[0].status == 410
        assert desk.receive(Closed("alice", 1006)) == []
        assert desk.core.due() is None

    @pytest.mark.parametrize(
        "result",
        [
            None,
            "ok",
            401,
            [],
            {},
            {"body": "x"},
            {"statusCode": None},
            {"statusCode": True},
            {"statusCode": 101},
            {"statusCode": 999},
            {"statusCode": 200, "ConnectionId": "x", "Data": "y"},
            {"statusCode": 200, "body": {"a": 1}},
            {"statusCode": 200, "headers": ["a"]},
            {"statusCode": 200, "headers": {"a": {}}},
            {"statusCode": 200, "multiValueHeaders": {"a": "b"}},
            {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        ],
    )
    def test_malformed_output_is_502(self, desk: Desk, result: object) -> None:
        assert only(desk.answer(desk.connect(), result), Refuse).reply.status == 502

    def test_a_function_that_fails_is_502(self, desk: Desk) -> None:
        assert only(desk.fail(desk.connect()), Refuse).reply.status == 502

    def test_a_function_that_times_out_itself_is_502(self, desk: Desk) -> None:
        returned = Returned(desk.connect().invocation_id, error=TimedOut())
        assert only(desk.receive(returned), Refuse).reply.status == 502

    def test_after_29_seconds_is_504_and_what_the_function_then_returns_is_ignored(self, desk: Desk) -> None:
        connect = desk.connect()
        assert desk.core.due() == NOON + 29
        assert desk.tick(28.999) == []
        assert only(desk.tick(0.001), Refuse).reply.status == 504
        assert desk.answer(connect) == []
        assert desk.manage("POST")[0].status == 410

    @pytest.mark.parametrize(
        "result",
        [
            {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "v1"}},
            {"statusCode": 200, "headers": {"sec-websocket-protocol": "v1", "X-Other": "dropped"}},
            {"statusCode": 200, "multiValueHeaders": {"SEC-WEBSOCKET-PROTOCOL": ["v1"]}, "body": "dropped"},
        ],
    )
    def test_of_the_answer_only_the_subprotocol_reaches_the_client(self, desk: Desk, result: object) -> None:
        assert desk.answer(desk.connect(), result) == [Accept("alice", "v1")]

    def test_a_subprotocol_is_never_chosen_by_the_gateway(self, desk: Desk) -> None:
        connect = desk.connect(headers=(("Sec-WebSocket-Protocol", "v1, v2"),))
        assert connect.event["headers"]["Sec-WebSocket-Protocol"] == "v1, v2"
        assert desk.answer(connect) == [Accept("alice", None)]

    def test_a_client_that_leaves_meanwhile_is_not_accepted_and_not_disconnected(self, desk: Desk) -> None:
        connect = desk.connect()
        assert desk.receive(Closed("alice", 1006)) == []
        assert desk.answer(connect) == []
        assert desk.manage("POST")[0].status == 410

    @pytest.mark.parametrize("path", ["/", "", "/api", "/api/"])
    def test_reaches_the_api_with_and_without_the_stage(self, desk: Desk, path: str) -> None:
        assert desk.connect(path=path).function == "on_connect"

    @pytest.mark.parametrize(("base", "path"), [("", "/"), ("", ""), ("chat", "/chat"), ("chat/v1", "/chat/v1/")])
    def test_reaches_it_at_a_domain_of_its_own_by_the_mapping_s_path(self, base: str, path: str) -> None:
        desk = Desk(replace(API, websocket_domain=CustomDomain("ws.example.com", base)))
        own = (("Host", "WS.example.com:443"),)
        connect = desk.connect(path=path, headers=own)
        assert connect.event["requestContext"]["domainName"] == "ws.example.com"
        desk.answer(connect)
        message = only(desk.receive(Message("alice", "hi")), Invoke)
        assert message.event["requestContext"]["domainName"] == "ws.example.com"
        for wrong in ("/api", "/chat/x"):
            assert only(desk.receive(Handshake("bob", wrong, headers=own)), Refuse).reply.status == 403
        other = desk.connect("carol", path="/api")
        domain = other.event["requestContext"]["domainName"]
        assert domain == "w3bs0cket0.execute-api.us-east-1.amazonaws.com"

    @pytest.mark.parametrize("path", ["/prod", "/api/x", "/x"])
    def test_of_another_path_is_403_and_calls_nothing(self, desk: Desk, path: str) -> None:
        assert only(desk.receive(Handshake("alice", path)), Refuse).reply.status == 403

    def test_with_more_than_10240_bytes_of_header_values_is_refused(self, desk: Desk) -> None:
        large = Handshake("alice", headers=(("X", "x" * 10_240), ("Y", "y")))
        assert only(desk.receive(large), Refuse).reply.status == 431

    def test_twice_under_one_id_is_a_bug_of_the_shell(self, desk: Desk) -> None:
        desk.open()
        with pytest.raises(ValueError, match="alice"):
            desk.receive(Handshake("alice"))


class TestMessages:
    @pytest.fixture(autouse=True)
    def _open(self, desk: Desk) -> None:
        desk.open()

    def test_each_runs_the_default_route(self, desk: Desk) -> None:
        first, second = desk.say('{"action": "x"}'), desk.say("not json")
        assert (first.function, first.event["body"]) == ("on_message", '{"action": "x"}')
        assert second.event["body"] == "not json"
        assert desk.answer(second) == desk.answer(first) == []

    @pytest.mark.parametrize("result", [{"statusCode": 200, "body": "hi"}, {"statusCode": 500, "body": "hi"}])
    def test_what_the_function_returns_never_reaches_the_client(self, desk: Desk, result: object) -> None:
        assert desk.answer(desk.say("x"), result) == []

    def test_without_a_route_is_answered_forbidden_and_the_socket_stays_open(self) -> None:
        desk = Desk(Api(websocket={}))
        desk.receive(Handshake("alice"))
        frame = only(desk.receive(Message("alice", "x")), Send)
        assert frame.text == '{"message": "Forbidden", "connectionId":"alice", "requestId":"id0000000000001="}'
        assert desk.manage("GET")[0].status == 200

    def test_a_function_that_fails_is_answered_by_a_frame_and_the_socket_stays_open(self, desk: Desk) -> None:
        message = desk.say("x")
        request_id = message.event["requestContext"]["requestId"]
        frame = only(desk.fail(message), Send)
        expected = '{"message": "Internal server error", "connectionId":"alice", "requestId":"%s"}'
        assert frame == Send("alice", expected % request_id)
        assert desk.manage("GET")[0].status == 200

    def test_malformed_output_is_the_same_frame(self, desk: Desk) -> None:
        assert "Internal server error" in only(desk.answer(desk.say("x"), {"statusCode": 200, "x": 1}), Send).text

    def test_after_29_seconds_a_frame_says_so_and_only_once(self, desk: Desk) -> None:
        message = desk.say("x")
        request_id = message.event["requestContext"]["requestId"]
        assert desk.tick(28.9) == []
        frame = only(desk.tick(0.1), Send)
        expected = '{"message": "Endpoint request timed out", "connectionId":"alice", "requestId":"%s"}'
        assert frame.text == expected % request_id
        assert desk.tick(29) == []
        assert desk.fail(message) == []

    def test_an_error_after_the_close_is_told_to_nobody(self, desk: Desk) -> None:
        message = desk.say("x")
        desk.receive(Closed("alice", 1000))
        assert desk.fail(message) == []

    def test_a_binary_one_closes_with_1003(self, desk: Desk) -> None:
        close, disconnect = desk.receive(Message("alice", b"x"))
        assert close == Close("alice", 1003)
        assert isinstance(disconnect, Invoke)
        assert disconnect.event["requestContext"]["disconnectStatusCode"] == 1003

    @pytest.mark.parametrize(
        ("text", "largest"),
        [("x" * 131_072, 32_768), ("é" * 16_384, 0), ("x" * 32_768, 0), ("", 0)],
        ids=["message", "utf-8", "frame", "empty"],
    )
    def test_as_large_as_they_may_be_pass(self, desk: Desk, text: str, largest: int) -> None:
        assert only(desk.receive(Message("alice", text, largest)), Invoke).event["body"] == text

    @pytest.mark.parametrize(
        ("text", "largest"),
        [("x" * 131_073, 32_768), ("é" * 65_537, 32_768), ("x" * 32_769, 0), ("é" * 16_385, 0), ("x" * 40_000, 32_769)],
        ids=["message", "utf-8 message", "one frame", "utf-8 frame", "one frame of several"],
    )
    def test_one_byte_more_closes_with_1009(self, desk: Desk, text: str, largest: int) -> None:
        close, disconnect = desk.receive(Message("alice", text, largest))
        assert close == Close("alice", 1009)
        assert isinstance(disconnect, Invoke)
        assert disconnect.event["requestContext"]["disconnectStatusCode"] == 1009

    def test_that_cross_the_close_on_the_wire_are_dropped(self, desk: Desk) -> None:
        desk.manage("DELETE")
        assert desk.receive(Message("alice", "x")) == []
        assert desk.receive(Message("nobody", "x")) == []

    def test_before_the_handshake_is_over_are_dropped(self, desk: Desk) -> None:
        desk.connect("bob")
        assert desk.receive(Message("bob", "x")) == []


class TestClosing:
    @pytest.mark.parametrize(
        ("closed", "code", "reason"),
        [
            (Closed("alice", 1005), 1005, "Client-side close frame status not set"),
            (Closed("alice", 1001), 1001, ""),
            (Closed("alice", 1000, "bye"), 1000, "bye"),
            (Closed("alice", 4000, "app"), 4000, "app"),
            (Closed("alice", 1006), 1006, ""),
        ],
    )
    def test_by_the_client_runs_disconnect_with_code_and_reason(
        self, desk: Desk, closed: Closed, code: int, reason: str
    ) -> None:
        desk.open()
        disconnect = only(desk.receive(closed), Invoke)
        assert disconnect.function == "on_disconnect"
        context = disconnect.event["requestContext"]
        assert (context["disconnectStatusCode"], context["disconnectReason"]) == (code, reason)
        assert desk.manage("POST")[0].status == 410
        assert desk.fail(disconnect) == []

    def test_by_delete_closes_with_1000_and_runs_disconnect(self, desk: Desk) -> None:
        desk.open()
        reply, (close, disconnect) = desk.manage("DELETE")
        assert reply.status == 204
        assert close == Close("alice", 1000, "Connection Closed Normally")
        assert isinstance(disconnect, Invoke)
        context = disconnect.event["requestContext"]
        assert context["disconnectStatusCode"] == 1000
        assert context["disconnectReason"] == "Connection Closed Normally"

    def test_by_both_sides_runs_disconnect_once(self, desk: Desk) -> None:
        desk.open()
        desk.manage("DELETE")
        assert desk.receive(Closed("alice", 1000)) == []

    def test_a_disconnect_that_never_returns_falls_due_for_nobody(self, desk: Desk) -> None:
        desk.open()
        desk.receive(Closed("alice", 1000))
        assert desk.core.due() is None
        assert desk.tick(60) == []


class TestTime:
    def test_ten_idle_minutes_close_with_1001(self, desk: Desk) -> None:
        desk.open()
        assert desk.core.due() == NOON + 600
        assert desk.tick(599) == []
        close, disconnect = desk.tick(1)
        assert close == Close("alice", 1001, "Going away")
        assert isinstance(disconnect, Invoke)
        assert disconnect.event["requestContext"]["disconnectStatusCode"] == 1001
        assert disconnect.event["requestContext"]["disconnectReason"] == "Going away"

    def test_a_message_of_the_client_keeps_it_open(self, desk: Desk) -> None:
        desk.open()
        desk.tick(599)
        desk.answer(desk.say("x"))
        assert desk.tick(599) == []
        assert isinstance(desk.tick(1)[0], Close)

    def test_a_post_to_the_client_keeps_it_open(self, desk: Desk) -> None:
        desk.open()
        desk.tick(599)
        desk.manage("POST", body=b"x")
        assert desk.tick(599) == []
        assert isinstance(desk.tick(1)[0], Close)

    def test_asking_about_it_does_not(self, desk: Desk) -> None:
        desk.open()
        desk.tick(599)
        desk.manage("GET")
        assert isinstance(desk.tick(1)[0], Close)

    def test_two_hours_close_the_busiest(self, desk: Desk) -> None:
        desk.open()
        for _ in range(12):
            desk.tick(599)
            desk.manage("POST", body=b"x")
        assert desk.core.due() == NOON + 7200
        assert desk.tick(7200 - 12 * 599 - 0.1) == []
        assert desk.tick(0.1)[0] == Close("alice", 1001, "Going away")

    def test_the_one_that_falls_due_first_is_the_one_that_is_due(self, desk: Desk) -> None:
        desk.open("alice")
        desk.tick(100)
        desk.open("bob")
        desk.tick(100)
        desk.manage("POST", "alice", body=b"x")
        assert desk.core.due() == NOON + 100 + 600
        assert only(desk.tick(500)[:1], Close).connection_id == "bob"
        assert desk.core.due() == NOON + 200 + 600

    def test_nothing_is_due_when_nothing_is_there(self, desk: Desk) -> None:
        assert desk.core.due() is None
        assert desk.tick(10_000) == []


class TestBacklog:
    def test_a_client_that_does_not_read_is_429_until_it_does(self, desk: Desk) -> None:
        desk.open()
        desk.receive(Backlog("alice", full=True))
        reply, effects = desk.manage("POST", body=b"x")
        assert (reply.status, effects) == (429, [])
        assert ("x-amzn-ErrorType", "LimitExceededException") in reply.headers
        assert desk.manage("GET")[0].status == 200
        desk.receive(Backlog("alice", full=False))
        assert desk.manage("POST", body=b"x")[1] == [Send("alice", "x")]
