"""`aws_faults` in a stranger's project: what AWS does to tables, functions and clients, on both targets."""

from __future__ import annotations

import pytest

from tests.strangers import Stranger

BOTH = ["inprocess", "sockets"]

FAULTS = """
import pytest
from pytest_sessionplugin import ConnectionClosed, HandshakeRefused


def names(table):
    return {row["name"] for row in table.scan()["Items"]}


# --- indexes


@pytest.mark.parametrize("table", ["Rooms", "rooms-us-east-1"])
def test_an_index_lags_behind_until_it_catches_up(chalice_gateway, aws_faults, table):
    http = chalice_gateway.http()
    http.put("/rooms/first")
    stale = aws_faults.stale_indexes(table)
    http.put("/rooms/second")
    assert http.get("/owned").json() == {"owned": ["first"], "in town": 0, "all": 2}
    assert stale.fired == 2
    stale.catch_up()
    assert set(http.get("/owned").json()["owned"]) == {"first", "second"}
    assert stale.fired == 2


def test_one_index_lags_behind_within_a_block_and_meets_other_faults_too(chalice_gateway, aws_faults, aws_calls):
    http = chalice_gateway.http()
    with aws_faults.stale_indexes("Rooms", "by-owner") as stale:
        http.put("/rooms/a")
        aws_faults.throttled("dynamodb:Query", times=2)
        assert http.get("/owned").json()["owned"] == []
        assert (stale.fired, aws_calls.retries) == (1, 2)
    assert http.get("/owned").json()["owned"] == ["a"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Room",), "there is no table Room; did you mean Rooms. There are: Rooms."),
        (("Rooms", "by-ower"), "there is no index of Rooms named by-ower; did you mean by-owner.* There are: by-own"),
    ],
)
def test_tables_and_indexes_that_are_none_are_named(aws_faults, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        aws_faults.stale_indexes(*arguments)


# --- functions


def test_a_route_whose_answer_is_late_has_done_its_work(chalice_gateway, dynamodb_tables, aws_faults):
    http = chalice_gateway.http()
    late = aws_faults.timed_out("api_handler", times=1)
    answer = http.put("/rooms/a")
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})
    assert names(dynamodb_tables["Rooms"]) == {"a"}
    assert http.put("/rooms/b").status_code == 200
    assert late.fired == 1


@pytest.mark.parametrize("name", ["message", "websocket_message"])
def test_a_message_whose_function_times_out_gets_the_frame_of_the_gateway(chalice_gateway, aws_faults, name):
    with chalice_gateway.websocket() as alice:
        aws_faults.timed_out(name, times=1)
        alice.send_text("enter a")
        frame = alice.receive_json()
        assert frame["message"] == "Internal server error"
        assert frame["connectionId"] == alice.connection_id
        alice.send_text(f"post {alice.connection_id} on it goes")
        assert alice.receive_text() == "on it goes"


def test_a_handshake_whose_function_times_out_is_refused_and_its_row_is_there(
    chalice_gateway, dynamodb_tables, aws_faults
):
    aws_faults.timed_out("connect")
    with pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket()
    assert refused.value.status_code == 502
    assert len(names(dynamodb_tables["Rooms"])) == 1


def test_a_function_can_be_ended_at_a_call_and_nothing_in_it_goes_on(
    chalice_gateway, dynamodb_tables, aws_faults, aws_calls
):
    http = chalice_gateway.http()
    with aws_faults.timed_out("api_handler", at="dynamodb:UpdateItem") as late:
        assert http.post("/rooms/a/stubborn").status_code == 502
        assert late.fired == 1
        assert [str(call) for call in aws_calls] == ["dynamodb:GetItem"]
    assert names(dynamodb_tables["Rooms"]) == set()
    assert http.post("/rooms/a/stubborn").status_code == 200
    assert names(dynamodb_tables["Rooms"]) == {"a", "last words"}


def test_a_call_from_a_thread_of_the_function_ends_it_too(chalice_gateway, dynamodb_tables, aws_faults):
    aws_faults.timed_out("api_handler", at="dynamodb:PutItem")
    assert chalice_gateway.http().post("/pool/a").status_code == 502
    assert names(dynamodb_tables["Rooms"]) == set()


@pytest.mark.chalice(allow="unfired_faults")
def test_a_time_out_of_another_function_is_not_met(chalice_gateway, dynamodb_tables, aws_faults):
    aws_faults.timed_out("disconnect", at="dynamodb:PutItem")
    with chalice_gateway.websocket() as alice:
        assert names(dynamodb_tables["Rooms"]) == {alice.connection_id}


def test_a_function_that_is_none_is_a_sentence(aws_faults):
    sentence = "there is no function mesage; did you mean message.* There are: api_handler, connect, message, disc"
    with pytest.raises(ValueError, match=sentence):
        aws_faults.timed_out("mesage")


# --- clients


def test_a_slow_client_gets_everything_in_order_when_it_reads_again(chalice_gateway, aws_faults):
    with chalice_gateway.websocket() as alice, chalice_gateway.websocket() as bob:
        slow = aws_faults.slow(bob.connection_id)
        for number in range(3):
            alice.send_text(f"post {bob.connection_id} {number}")
            chalice_gateway.settle()
        alice.send_text(f"post {alice.connection_id} others are served")
        assert alice.receive_text() == "others are served"
        bob.receive_nothing()
        assert slow.fired == 3
        slow.end()
        assert [bob.receive_text() for _ in range(3)] == ["0", "1", "2"]
        alice.send_text(f"post {bob.connection_id} 3")
        assert bob.receive_text() == "3"


def test_posts_to_a_slow_client_are_429_once_16_mib_wait(chalice_gateway, aws_faults, chalice_app, aws_calls):
    with chalice_gateway.websocket() as alice:
        alice.send_text(f"post {alice.connection_id} hello")  # the function learns its endpoint
        assert alice.receive_text() == "hello"
        import app
        import boto3
        from botocore.exceptions import ClientError
        api = boto3.client(
            "apigatewaymanagementapi", endpoint_url="https://w3bs0cket0.execute-api.us-east-1.amazonaws.com/api"
        )

        def post(data):
            api.post_to_connection(ConnectionId=alice.connection_id, Data=data)

        with aws_faults.slow(alice.connection_id):
            for _ in range(128):
                post(b"x" * 131_072)
            post(b"16 MiB wait, and no more than that")
            with pytest.raises(ClientError) as refused:
                post(b"one too many")
            assert refused.value.response["Error"]["Code"] == "LimitExceededException"
            assert aws_calls.retries > 0
            alice.receive_nothing()
        assert [len(alice.receive_text()) for _ in range(128)] == [131_072] * 128
        assert alice.receive_text().startswith("16 MiB")
        post(b"again")
        assert alice.receive_text() == "again"


def test_a_close_waits_behind_the_frames_of_a_slow_client(chalice_gateway, aws_faults, chalice_app):
    import boto3
    api = boto3.client(
        "apigatewaymanagementapi", endpoint_url="https://w3bs0cket0.execute-api.us-east-1.amazonaws.com/api"
    )
    alice = chalice_gateway.websocket()
    with aws_faults.slow(alice.connection_id):
        api.post_to_connection(ConnectionId=alice.connection_id, Data=b"last")
        api.delete_connection(ConnectionId=alice.connection_id)
        alice.receive_nothing()
    assert alice.receive_text() == "last"
    with pytest.raises(ConnectionClosed):
        alice.receive_text()


def test_a_slow_client_may_leave(chalice_gateway, aws_faults, dynamodb_tables):
    with chalice_gateway.websocket() as alice:
        with chalice_gateway.websocket() as bob:
            slow = aws_faults.slow(bob.connection_id)
            alice.send_text(f"post {bob.connection_id} for nobody")
            chalice_gateway.settle()
        chalice_gateway.settle()
        slow.end()
        assert names(dynamodb_tables["Rooms"]) == {alice.connection_id}


def test_a_disconnect_can_be_lost_for_one_connection(chalice_gateway, aws_faults, dynamodb_tables):
    alice, bob = chalice_gateway.websocket(), chalice_gateway.websocket()
    lost = aws_faults.disconnect_lost(bob.connection_id)
    alice.close()
    bob.close()
    chalice_gateway.settle()
    assert names(dynamodb_tables["Rooms"]) == {bob.connection_id}
    assert lost.fired == 1


def test_disconnects_can_be_lost_for_all_and_so_often(chalice_gateway, aws_faults, dynamodb_tables):
    aws_faults.disconnect_lost(times=2)
    for _ in range(3):
        chalice_gateway.websocket().close()
        chalice_gateway.settle()
    assert len(names(dynamodb_tables["Rooms"])) == 2


def test_a_client_that_vanishes_leaves_a_ghost(chalice_gateway, dynamodb_tables):
    with chalice_gateway.websocket() as alice:
        ghost, gone = chalice_gateway.websocket(), chalice_gateway.websocket()
        ghost.drop(disconnect=False)
        gone.drop()
        chalice_gateway.settle()
        assert names(dynamodb_tables["Rooms"]) == {alice.connection_id, ghost.connection_id}
        alice.send_text(f"post {ghost.connection_id} boo")
        chalice_gateway.settle()
        assert f"gone {ghost.connection_id}" in names(dynamodb_tables["Rooms"])


def test_handshakes_can_be_throttled(chalice_gateway, aws_faults, dynamodb_tables):
    throttled = aws_faults.throttled("$connect", times=1)
    with pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket()
    assert refused.value.status_code == 429
    assert names(dynamodb_tables["Rooms"]) == set()
    with chalice_gateway.websocket() as alice:
        assert names(dynamodb_tables["Rooms"]) == {alice.connection_id}
    assert throttled.fired == 1


def test_a_client_can_be_out_of_reach_for_a_moment_after_its_connect(chalice_gateway, aws_faults, dynamodb_tables):
    with chalice_gateway.websocket() as alice:
        call = "apigatewaymanagementapi:PostToConnection"
        aws_faults.failing(call, code="GoneException", status=410, times=1)
        alice.send_text(f"post {alice.connection_id} boo")
        chalice_gateway.settle()
        assert f"gone {alice.connection_id}" in names(dynamodb_tables["Rooms"])
        alice.send_text(f"post {alice.connection_id} here")
        assert alice.receive_text() == "here"


# --- unknown names


def test_a_fault_that_is_none_is_a_sentence(aws_faults):
    with pytest.raises(AttributeError, match="no fault throtled; did you mean throttled. There are: throttled, "):
        aws_faults.throtled("dynamodb")
    assert not hasattr(aws_faults, "_private")


def test_a_call_that_is_none_is_refused_where_it_is_written(aws_faults, aws_calls):
    with pytest.raises(ValueError, match="no operation of dynamodb named UpdateItems; did you mean UpdateItem"):
        aws_faults.throttled("dynamodb:UpdateItems")
    with pytest.raises(ValueError, match="no service of AWS named dynamo; did you mean dynamodb"):
        aws_calls.count("dynamo")
    for budget in (aws_calls.at_most, aws_calls.exactly):
        with pytest.raises(ValueError, match="no operation of dynamodb named update_item; did you mean UpdateItem"):
            with budget({"dynamodb:update_item": 1}):
                pass


@pytest.mark.chalice(allow="unfired_faults")
def test_each_says_in_a_line_what_it_is(chalice_gateway, aws_faults):
    for arm in (
        lambda: aws_faults.timed_out("message", at="dynamodb:UpdateItem"),
        lambda: aws_faults.stale_indexes("Rooms", "by-owner"),
        lambda: aws_faults.slow("VNR="),
        lambda: aws_faults.disconnect_lost(),
        lambda: aws_faults.conflict("dynamodb:PutItem"),
        lambda: aws_faults.unprocessed("dynamodb:BatchGetItem"),
    ):
        arm()
    assert [str(fault) for fault in aws_faults.never_fired] == [
        "timed out: message at dynamodb:UpdateItem",
        "stale: by-owner of rooms-us-east-1",
        "slow at apigatewaymanagementapi for VNR=",
        "disconnect lost",
        "TransactionConflictException (400) at dynamodb:PutItem",
        "unprocessed at dynamodb:BatchGetItem",
    ]
"""


@pytest.mark.parametrize("target", BOTH)
def test_faults(stranger: Stranger, target: str) -> None:
    stranger.become("rooms")
    stranger.test(f"--sessionplugin-target={target}", test_it=FAULTS).assert_outcomes(passed=25)
