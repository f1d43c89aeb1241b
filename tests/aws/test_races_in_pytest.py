"""`aws_race` in another team's project: read-then-write code loses an update every time, and no race hangs."""

from __future__ import annotations

import pytest

from tests.strangers import Stranger

BOTH = ["inprocess", "sockets"]

RACES = """
import threading
import pytest
from pytest_sessionplugin import RaceNotRun


def test_reading_and_then_writing_loses_one_of_two_fifty_times_of_fifty(chalice_gateway, dynamodb_tables, aws_race):
    http, table = chalice_gateway.http(), dynamodb_tables["Rooms"]
    for time in range(1, 51):
        with aws_race("dynamodb:UpdateItem") as race:
            answers = race.run(*[lambda: http.post("/rooms/a/careless")] * 2)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert table.get_item(Key={"name": "a"})["Item"]["people"] == time


def test_with_a_condition_none_is_lost_and_a_second_try_is_not_held(
    chalice_gateway, dynamodb_tables, aws_race, aws_calls
):
    http, table = chalice_gateway.http(), dynamodb_tables["Rooms"]
    for time in range(1, 51):
        with aws_race("dynamodb:UpdateItem") as race:
            race.run(*[lambda: http.post("/rooms/a/careful")] * 2)
        assert table.get_item(Key={"name": "a"})["Item"]["people"] == 2 * time
    assert aws_calls.count("dynamodb:UpdateItem") == 50 * 3


def test_retries_of_the_sdk_are_not_held(chalice_gateway, aws_race, aws_faults, aws_calls):
    http = chalice_gateway.http()
    aws_faults.throttled("dynamodb:UpdateItem", times=3)
    with aws_race("dynamodb:UpdateItem") as race:
        assert [a.status_code for a in race.run(*[lambda: http.post("/rooms/a/careless")] * 2)] == [200, 200]
    assert (race.came, aws_calls.retries) == (2, 3)


def test_a_call_beyond_the_parties_passes(chalice_gateway, dynamodb_tables, aws_race):
    http = chalice_gateway.http()
    with aws_race("dynamodb:UpdateItem", parties=2) as race:
        race.run(*[lambda: http.post("/rooms/a/careless")] * 3)
        http.post("/rooms/b/careless")
    assert dynamodb_tables["Rooms"].get_item(Key={"name": "b"})["Item"]["people"] == 1


def test_results_are_in_order_and_what_is_raised_is_raised(chalice_gateway, aws_race):
    http = chalice_gateway.http()

    def fails():
        http.post("/rooms/a/careless")
        raise ZeroDivisionError

    with aws_race("dynamodb:UpdateItem") as race:
        error, answer = race.run(fails, lambda: http.post("/rooms/a/careless"), return_exceptions=True)
    assert (type(error), answer.status_code) == (ZeroDivisionError, 200)
    with aws_race("dynamodb:UpdateItem") as race, pytest.raises(ZeroDivisionError):
        race.run(fails, fails)


def test_clients_of_the_test_race_too(dynamodb_tables, aws_race, chalice_app):
    import app

    with aws_race("dynamodb:PutItem") as race:
        race.run(*[lambda: app.table.put_item(Item={"name": "a"})] * 2)
    assert race.met


def test_messages_race_on_their_sockets(chalice_gateway, dynamodb_tables, aws_race):
    with chalice_gateway.websocket() as alice, chalice_gateway.websocket() as bob:
        with aws_race("dynamodb:UpdateItem") as race:
            race.run(lambda: alice.send_text("enter a"), lambda: bob.send_text("enter a"))
        chalice_gateway.settle()
    assert dynamodb_tables["Rooms"].get_item(Key={"name": "a"})["Item"]["people"] == 1


def test_a_race_can_be_of_posts_to_one_connection(chalice_gateway, aws_race):
    with chalice_gateway.websocket() as alice, chalice_gateway.websocket() as bob:
        me = alice.connection_id
        with aws_race("apigatewaymanagementapi:PostToConnection", me) as race:
            race.run(lambda: alice.send_text(f"post {me} 1"), lambda: bob.send_text(f"post {me} 2"))
        assert {alice.receive_text(), alice.receive_text()} == {"1", "2"}


# --- what cannot race


def test_too_few_fail_at_once_and_go_on(chalice_gateway, dynamodb_tables, aws_race):
    http = chalice_gateway.http()
    sentence = (
        r"^2 of 3 calls came to dynamodb:UpdateItem \\(in api_handler\\), and nothing else was running that could make "
        r"another\\.$"
    )
    with aws_race("dynamodb:UpdateItem", parties=3) as race, pytest.raises(RaceNotRun, match=sentence):
        race.run(*[lambda: http.post("/rooms/a/careless")] * 2, lambda: http.get("/rooms/a"))
    assert dynamodb_tables["Rooms"].get_item(Key={"name": "a"})["Item"]["people"] == 1


def test_none_at_all_is_said_too(chalice_gateway, aws_race):
    with aws_race("dynamodb:UpdateItem") as race, pytest.raises(RaceNotRun, match="^0 of 2 calls came"):
        race.run(*[lambda: chalice_gateway.http().get("/rooms/a")] * 2)


def test_what_an_action_raises_is_the_cause(chalice_gateway, aws_race):
    with aws_race("dynamodb:UpdateItem") as race, pytest.raises(RaceNotRun, match="^1 of 2") as raised:
        race.run(lambda: chalice_gateway.http().post("/rooms/a/careless"), lambda: 1 / 0)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_call_outside_of_run_waits_a_bounded_time(chalice_gateway, dynamodb_tables, aws_race, monkeypatch):
    monkeypatch.setattr("pytest_sessionplugin.aws.races.PATIENCE", 0.01)
    with pytest.raises(RaceNotRun, match="^1 of 2 calls .* no other came within 0.01 s: give each a thread of its own"):
        with aws_race("dynamodb:UpdateItem"):
            assert chalice_gateway.http().post("/rooms/a/careless").status_code == 200
    assert dynamodb_tables["Rooms"].get_item(Key={"name": "a"})["Item"]["people"] == 1


def test_threads_of_the_test_s_own_race_as_well(chalice_gateway, dynamodb_tables, aws_race):
    http = chalice_gateway.http()
    with aws_race("dynamodb:UpdateItem") as race:
        threads = [threading.Thread(target=http.post, args=("/rooms/a/careless",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert race.met
    assert dynamodb_tables["Rooms"].get_item(Key={"name": "a"})["Item"]["people"] == 1


def test_a_race_is_run_once_and_within_its_block(chalice_gateway, aws_race):
    http = chalice_gateway.http()
    with aws_race("dynamodb:UpdateItem") as race:
        race.run(*[lambda: http.post("/rooms/a/careless")] * 2)
        with pytest.raises(RaceNotRun, match="is over, or not begun: write `with aws_race"):
            race.run(lambda: None)


@pytest.mark.parametrize(
    ("call", "arguments", "sentence"),
    [
        ("dynamodb:UpdateItems", {}, "no operation of dynamodb named UpdateItems; did you mean .*UpdateItem"),
        ("dynamdb", {}, "no service of AWS named dynamdb; did you mean dynamodb"),
        ("dynamodb", {"parties": 1}, "two parties at least, not 1"),
    ],
)
def test_a_race_that_cannot_be_is_refused(aws_race, call, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        aws_race(call, **arguments)
"""


@pytest.mark.parametrize("target", BOTH)
def test_races(stranger: Stranger, target: str) -> None:
    stranger.become("rooms")
    stranger.test(f"--sessionplugin-target={target}", test_it=RACES).assert_outcomes(passed=17)


def test_a_race_to_which_no_call_came_fails_the_test_at_its_end_unless_it_is_allowed(stranger: Stranger) -> None:
    stranger.become("rooms")
    body = """
        import pytest

        def test_left(chalice_gateway, aws_race):
            with aws_race("dynamodb:UpdateItem"):
                chalice_gateway.http().get("/rooms/a")

        @pytest.mark.chalice(allow="unfired_faults")
        def test_allowed(aws_race):
            aws_race("dynamodb:UpdateItem")

        def test_left_in_the_middle(chalice_gateway, aws_race):
            with pytest.raises(ZeroDivisionError), aws_race("dynamodb:UpdateItem"):
                raise ZeroDivisionError
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(
        [
            "a race was never run: no call came to dynamodb:UpdateItem.",
            '    allow it with @pytest.mark.chalice(allow="unfired_faults")',
        ]
    )
