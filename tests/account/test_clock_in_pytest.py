"""`chalice_clock` in a stranger's project."""

from __future__ import annotations

import pytest

from tests.strangers import Stranger

APP = """
import datetime
import os
import time
from datetime import datetime as bound_datetime
from time import time as bound_time
import boto3
from chalice import Chalice, Cron, Rate

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
left = []
swept = []
nights = []


@app.route("/now")
def now():
    utc = datetime.timezone.utc
    return [
        time.time(), bound_time(), time.time_ns() / 1e9,
        bound_datetime.now(utc).timestamp(), datetime.datetime.now(utc).timestamp(),
    ]


@app.route("/slow")
def slow():
    take_long()
    return {}


def take_long():
    pass


@app.on_ws_message()
def message(event):
    app.websocket_api.send(event.connection_id, "echo")


@app.on_ws_disconnect()
def disconnect(event):
    left.append(bound_time())


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event):
    swept.append(event.to_dict()["time"])


@app.schedule(Cron(0, 0, "*", "*", "?", "*"))
def nightly(event):
    nights.append(event.to_dict()["time"])
"""


def test_all_that_is_told_the_time_is_told_the_same_and_only_in_its_test(stranger: Stranger) -> None:
    body = """
        import threading
        import time
        import pytest
        from time import time as bound

        real = []

        def test_before(chalice_gateway):
            real.append(max(chalice_gateway.http().get("/now").json()))

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        @pytest.mark.parametrize("early", [True, False])
        def test_moved(chalice_clock, chalice_gateway, jwt_tokens, early):
            chalice_clock.advance(days=365)
            assert len(set(chalice_gateway.http().get("/now").json())) == 1
            assert chalice_gateway.http().get("/now").json()[0] == chalice_clock.now.timestamp() == bound()
            assert chalice_gateway.trace[-1].at == bound()
            assert not threading.Event().wait(0.001)
            real.append(chalice_clock.began.timestamp())

        @pytest.mark.chalice(fresh=True)
        def test_fresh(chalice_gateway, chalice_clock):
            chalice_clock.advance(days=365)
            assert set(chalice_gateway.http().get("/now").json()) == {bound()}

        @pytest.fixture
        def socket(chalice_gateway):
            with chalice_gateway.websocket() as socket:
                yield socket

        @pytest.mark.chalice(allow="open_sockets")
        def test_what_ends_with_the_test_ends_at_its_time(socket, chalice_gateway, chalice_clock):
            import app
            app.left.clear()
            chalice_gateway.websocket()
            chalice_clock.advance(minutes=5)
            real.append(chalice_clock.now.timestamp())

        def test_after(chalice_gateway):
            import app
            assert app.left == [real.pop()] * 2
            after = bound()
            assert max(real) - 2 < after < real[0] + 600
            assert after <= chalice_gateway.http().get("/now").json()[0] <= bound()
    """
    (stranger.root / "app.py").write_text(APP)
    stranger.test(test_it=body).assert_outcomes(passed=8)


def test_what_falls_due_is_done_at_its_own_time(stranger: Stranger) -> None:
    body = """
        from datetime import timedelta
        import boto3
        import pytest
        from botocore.exceptions import EndpointConnectionError
        from pytest_sessionplugin import ConnectionClosed

        pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])

        def test_idle(chalice_gateway, chalice_clock, chalice_app):
            import app
            app.left.clear()
            start = chalice_clock.now.timestamp()
            with chalice_gateway.websocket() as first:
                chalice_clock.advance(minutes=4)
                with chalice_gateway.websocket() as second:
                    chalice_clock.advance(days=1)
                    assert app.left == [start + 600, start + 840]
                    for socket in first, second:
                        with pytest.raises(ConnectionClosed) as closed:
                            socket.receive_text()
                        assert (closed.value.code, closed.value.reason) == (1001, "Going away")

        def test_a_frame_on_its_way_is_taken_before_time_moves(chalice_gateway, chalice_clock):
            with chalice_gateway.websocket() as socket:
                for _ in range(11):
                    socket.send_text("x")
                    chalice_clock.advance(minutes=9, seconds=59)
                    assert socket.receive_text() == "echo"

        def test_a_handler_that_takes_too_long(chalice_gateway, chalice_clock, chalice_app, monkeypatch):
            import app
            http = chalice_gateway.http()
            monkeypatch.setattr(app, "take_long", lambda: chalice_clock.advance(seconds=28))
            assert http.get("/slow").status_code == 200
            monkeypatch.setattr(app, "take_long", lambda: chalice_clock.advance(seconds=30))
            assert http.get("/slow").status_code == 504

        def test_schedules(chalice_gateway, chalice_clock, chalice_app):
            import app
            app.swept.clear()
            start = chalice_clock.began
            chalice_clock.advance(minutes=5)
            assert app.swept == []
            chalice_clock.advance(seconds=150, schedules=True)
            chalice_clock.advance(seconds=30, schedules=True)
            minutes = [start + timedelta(minutes=n) for n in (6, 7, 8)]
            assert app.swept == [minute.strftime("%Y-%m-%dT%H:%M:%SZ") for minute in minutes]

        def test_a_cron_expression(chalice_gateway, chalice_clock, chalice_app):
            import app
            app.nights.clear()
            chalice_clock.advance(days=1)
            assert app.nights == []
            chalice_clock.advance(days=2, schedules=True)
            midnight = chalice_clock.now.replace(hour=0, minute=0, second=0)
            assert app.nights == [(midnight - timedelta(days=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (1, 0)]

        def test_ttl(chalice_clock, dynamodb_tables, aws_calls, aws_faults, chalice_gateway):
            other = boto3.client("dynamodb", region_name="eu-central-1")
            key = [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}]
            definitions = [{"AttributeName": name, "AttributeType": "S"} for name in "ab"]
            for name in ("with", "without"):
                other.create_table(
                    TableName=name, KeySchema=key, AttributeDefinitions=definitions, BillingMode="PAY_PER_REQUEST"
                )
            other.update_time_to_live(
                TableName="with", TimeToLiveSpecification={"Enabled": True, "AttributeName": "purgeAt"}
            )
            end = int(chalice_clock.now.timestamp()) + 60
            for b, value in {"soon": {"N": f"{end}"}, "later": {"N": f"{end + 1}"}, "text": {"S": f"{end}"},
                             "milliseconds": {"N": f"{end}000"}, "ancient": {"N": "60"}}.items():
                for name in ("with", "without"):
                    other.put_item(TableName=name, Item={"a": {"S": "a"}, "b": {"S": b}, "purgeAt": value})
            rooms = dynamodb_tables["Rooms"]
            rooms.put_item(Item={"name": "a", "purgeAt": end})
            rooms.put_item(Item={"name": "b"})

            def left(name):
                return {item["b"]["S"] for item in other.scan(TableName=name)["Items"]}

            with aws_faults.unreachable("dynamodb"):
                with aws_calls.exactly(dynamodb=0):
                    chalice_clock.advance(hours=48, seconds=59)
                    assert rooms.scan()["Count"] == 2
                    chalice_clock.advance(seconds=1)
                    assert [row["name"] for row in rooms.scan()["Items"]] == ["b"]
                with pytest.raises(EndpointConnectionError):
                    other.scan(TableName="with")
            assert left("with") == {"later", "text", "milliseconds", "ancient"}
            assert len(left("without")) == 5
            chalice_clock.ttl_lag = timedelta()
            chalice_clock.advance(timedelta(days=3650))
            assert left("with") == {"text", "milliseconds", "ancient"}
    """
    (stranger.root / "app.py").write_text(APP)
    stranger.test(test_it=body).assert_outcomes(passed=12)


def test_without_time_machine_the_fixture_says_what_to_install(stranger: Stranger) -> None:
    conftest = """
        import sys
        sys.modules["time_machine"] = None
    """
    result = stranger.test(conftest=conftest, test_it="def test_it(chalice_clock): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*moving time needs time-machine: pip install 'pytest-sessionplugin[[]clock]'"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_a_scheduled_function_that_fails_fails_the_test(stranger: Stranger, target: str) -> None:
    body = """
        def test_it(chalice_clock):
            chalice_clock.advance(minutes=1, schedules=True)
    """
    (stranger.root / "app.py").write_text(APP.replace("swept.append(", "raise ZeroDivisionError("))
    result = stranger.test(f"--sessionplugin-target={target}", test_it=body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])
