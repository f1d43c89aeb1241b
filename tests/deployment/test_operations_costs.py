"""The arithmetic of the page of operations: units of each operation as DynamoDB counts them, and what they cost."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from botocore.client import BaseClient

from chalicelib import events, items
from chalicelib.frames import PING_SECONDS
from chalicelib.members import Connection, Endpoint
from chalicelib.storage import Store
from deployment import stage
from deployment.monitoring.alarms import alarms
from pytest_sessionplugin import Gateway, WebSocket
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.deployment.runbook import rows, section
from tests.processes import ROOT

MILLION: Final = 1e6
SECONDS: Final = 30 * 24 * 60 * 60  # of a month
PEOPLE, ROOM = 1_000, 10
POSTS: Final = 500  # a second, by one function
OTHERWISE: Final = 0.012  # seconds of a frame besides its posts to others
GB: Final = 1769 / 1024  # memory of a function that posts
LINES: Final = 1_000  # bytes in the logs for a frame of a client
FRAME: Final = 300  # bytes
READ_UNIT: Final = 4096  # bytes
WRITES: Final = {"BatchWriteItem", "PutItem", "TransactWriteItems", "UpdateItem"}


# --- the units of an operation


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Units of all calls to DynamoDB, as it reports them, indexes included."""
    counted: Counter[str] = Counter()
    plain = BaseClient._make_api_call  # type: ignore[attr-defined]  # each call passes there

    def call(self: Any, operation: str, given: dict[str, Any]) -> Any:
        if self.meta.service_model.service_name != "dynamodb":
            return plain(self, operation, given)
        answer = plain(self, operation, {**given, "ReturnConsumedCapacity": "TOTAL"})
        used = answer.get("ConsumedCapacity", [])
        for one in used if isinstance(used, list) else [used]:
            counted["writes" if operation in WRITES else "reads"] += one["CapacityUnits"]
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return counted


def test_the_units_of_each_operation_are_those_that_dynamodb_counts(
    chalice_gateway: Gateway, jwt_tokens: Tokens, units: Counter[str], dynamodb_store: Store
) -> None:
    """With three people connected, whose rows are one read."""

    def took(act: Callable[[], Any]) -> tuple[int, int]:
        units.clear()
        act()
        chalice_gateway.settle()
        return units["writes"], units["reads"]

    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    session_id = alice.post("/sessions", json={}).json()["sessionId"]
    path = f"/sessions/{session_id}"
    sockets = [
        chalice_gateway.websocket("/", params={"sessionId": session_id}, token=jwt_tokens(name))
        for name in ("bob", "carol")
    ]

    def joined(session_id: str) -> WebSocket:
        return chalice_gateway.websocket("/", params={"sessionId": session_id}, token=jwt_tokens("bob"))

    def join(**credential: str) -> None:
        params = {"sessionId": session_id, **credential}
        sockets.append(chalice_gateway.websocket("/", params=params, token=None if credential else jwt_tokens("dave")))

    def say(answer: str, **frame: Any) -> None:
        sockets[0].send_json(frame)
        sockets[0].expect(type=answer)

    create, _ = took(lambda: alice.post("/sessions", json={}))
    create_once, _ = took(lambda: alice.post("/sessions", json={}, headers={"Idempotency-Key": "k"}))
    _, read = took(lambda: alice.get(path))
    connect = took(join)
    sockets.pop().close()
    dave = chalice_gateway.http(token=jwt_tokens("dave"))
    ask = took(lambda: dave.post(f"{path}/tickets", json={}))
    ticket = dave.post(f"{path}/tickets", json={}).json()["ticket"]
    connect_by_ticket = took(lambda: join(ticket=ticket))
    hello = took(lambda: say("welcome", action="hello"))
    durable = alice.post("/sessions", json={"durable": True}).json()["sessionId"]
    first = dynamodb_store.take_seq(durable, datetime.now(UTC))
    dynamodb_store.put_event(events.message(first, "bob", "x", datetime.now(UTC), "correlation-1"))
    sockets.insert(0, joined(durable))
    resume = took(lambda: say("welcome", action="hello", resume={"seq": 0}))
    keep = took(lambda: say("ack", action="publish", data="x"))
    keep_once = took(lambda: say("ack", action="publish", data="x", key="k"))
    kept = f"/sessions/{durable}/messages"
    serve_kept = took(lambda: alice.post(kept, json={"data": "x"}))
    serve_once = took(lambda: alice.post(kept, json={"data": "x"}, headers={"Idempotency-Key": "k"}))
    sockets.pop(0).close()
    page = took(lambda: alice.get(f"/sessions/{durable}/events"))
    present = alice.post("/sessions", json={"presence": True}).json()["sessionId"]
    connect_to_presence = took(lambda: sockets.insert(0, joined(present)))
    enter = took(lambda: say("welcome", action="hello"))
    show = took(lambda: say("presence", action="state", data="x"))
    leave = took(sockets.pop(0).close)
    ping = took(lambda: say("pong", action="ping"))
    publish = took(lambda: say("ack", action="publish", data="x"))
    send = took(lambda: say("ack", action="send", to="carol", data="x"))
    refresh = took(lambda: say("ack", action="refresh", token=jwt_tokens("bob", expires_in=7200)))
    serve = took(lambda: alice.post(f"{path}/messages", json={"data": "x"}))
    people, carol = f"{path}/participants", {"subject": "carol"}
    who = took(lambda: alice.get(people))
    role = took(lambda: alice.patch(people, params=carol, json={"role": "viewer"}))
    kick = took(lambda: alice.delete(people, params={"subject": "dave", "ban": "0"}))
    lift = took(lambda: alice.delete(people, params={"subject": "nobody", "ban": "0"}))
    sockets.pop().close()
    join()
    change, told = took(lambda: alice.patch(path, json={"title": "x"}))
    _, told_of_metadata = took(lambda: alice.patch(path, json={"metadata": {"x": 1}}))
    disconnect = took(sockets.pop().close)
    end, told_of_the_end = took(lambda: alice.delete(path))
    for socket in sockets:
        socket.close()
    assert told == publish[1] == serve[1] == enter[1] == show[1] == 1
    assert refresh[1] == 0
    more = keep_once[0] - keep[0]
    assert (more, keep_once[1]) == (serve_once[0] - serve_kept[0], serve_once[1])
    assert kick[1] == lift[1] + 1, "the disconnect of the one that was closed"
    assert connect[1] == connect_by_ticket[1] == connect_to_presence[1]
    assert connect_to_presence[0] == connect[0] + 1
    assert told_of_the_end == told + len(sockets) * disconnect[1]
    assert {cells[0]: cells[1:3] for cells in rows("Costs") if len(cells) == 4} == {
        "create a session": [f"{create:g}, with `Idempotency-Key` {create_once:g}", ""],
        "read one": ["", f"{read:g}"],
        "change one, N connected": [f"{change:g}", f"rows; {told_of_metadata - told:g} for `metadata`"],
        "end one, N connected": [f"{end - len(sockets) * disconnect[0]:g}, and N disconnects", "rows"],
        "ask for a ticket": [f"{one:g}" for one in ask],
        "connect": [f"{connect[0]:g}, by ticket {connect_by_ticket[0]:g}", f"{connect[1]:g}"],
        "`hello`": [f"{one:g}" for one in hello],
        "`hello` in a session with presence, N are in": [f"{enter[0]:g}", "rows"],
        "`hello` with `resume` in a durable session": [f"{resume[0]:g}", f"{resume[1] - told:g} + events"],
        "a page of events": ["", f"{page[1] - told:g} + events"],
        "`ping`": [f"{one:g}" for one in ping],
        "publish to N others": [f"{publish[0]:g}, of a server {serve[0]:g}", "rows"],
        "the same in a durable session": [
            f"{keep[0]:g}, of a server {serve_kept[0]:g}; {more:g} more with a key",
            f"rows; {keep_once[1] - keep[1]:g} with a key",
        ],
        "`send` to N connections": [f"{one:g}" for one in send],
        "`state`, N are in": [f"{show[0]:g}", "rows"],
        "`refresh`": [f"{refresh[0]:g}", ""],
        "list those who are in": ["", f"{who[1] - told:g} + rows"],
        "give a role, N connections": [f"{lift[0]:g} + {role[0] - lift[0]:g} N", f"{role[1]:g}"],
        "kick, N connections": [f"{lift[0]:g} + {kick[0] - lift[0]:g} N", f"{lift[1]:g} + N"],
        "disconnect": [f"{one:g}" for one in disconnect],
        "the same in a session with presence, N are in": [f"{leave[0]:g}", f"{leave[1] - told:g} + rows"],
    }


def row_bytes() -> int:
    """Size of the row of a connection in its session, as DynamoDB counts it."""
    connection = Connection(
        connection_id="O8Jt_zY4m6vGHECk=",
        session_id="oc6zpfepntr2xw6adswdbuc26b",
        connected_at=datetime(2026, 11, 29, tzinfo=UTC),
        token_expires_at=datetime(2026, 11, 30, tzinfo=UTC),
        endpoint=Endpoint("abcdef1234", "api", "us-east-1"),
        subject="auth0|0123456789abcdef01234567",
    )
    [row] = [one for one in items.connection_items(connection) if one["place"]["S"].startswith("session#")]
    return sum(len(name) + len(text) for name, value in row.items() for text in value.values())


def test_a_read_unit_holds_as_many_rows_as_the_page_says() -> None:
    [said] = re.findall(r"some (\d+) connections", section("Costs"))
    assert int(said) == READ_UNIT // row_bytes()


# --- prices


def price(item: str) -> float:
    """Dollars for one unit."""
    [text] = [cells[1] for cells in rows("Costs") if len(cells) == 6 and cells[0].startswith(item)]
    [dollars] = re.findall(r"\$([\d.]+)", text.split(",")[0])
    return float(dollars) / (MILLION if "a million" in text else 1)


def test_a_large_publish_costs_what_the_page_says() -> None:
    others = 100
    seconds = others / POSTS + OTHERWISE
    reads = math.ceil((others + 1) * row_bytes() / READ_UNIT)
    gateway = (2 + others) * price("messages")
    functions = price("Lambda calls") + seconds * GB * price("Lambda GB-seconds")
    tables = 2 * price("writes") + reads * price("reads")
    said = re.findall(r"\$([\d.]+) for", section("Costs"))
    assert said == [f"{gateway * MILLION:.0f}", f"{functions * MILLION:.2f}", f"{tables * MILLION:.2f}"]


def month(pause: float) -> dict[str, tuple[float, float]]:
    """Units and dollars of a month by item; everybody pings, and publishes once in `pause` seconds."""
    publishes, pings = PEOPLE / pause * SECONDS, PEOPLE / PING_SECONDS * SECONDS
    frames = publishes + pings
    messages = publishes * (ROOM + 1) + pings * 2
    billion = 1000 * MILLION
    amounts = {
        "messages": messages,
        "minutes of connections": PEOPLE * SECONDS / 60,
        "Lambda calls": frames,
        "Lambda GB-seconds": (publishes * (ROOM - 1) / POSTS + frames * OTHERWISE) * GB,
        "writes": 2 * publishes + pings,
        "reads": frames,
        "GB of logs": frames * LINES / 1e9,
        "traces": SECONDS + 0.05 * (frames - SECONDS),
        "GB to the internet": (publishes * ROOM + pings) * FRAME / 1e9,
    }
    costs = {item: amount * price(item) for item, amount in amounts.items()}
    costs["messages"] -= max(0, messages - billion) * 0.20 / MILLION
    return {item: (amounts[item], costs[item]) for item in amounts}


def test_a_month_of_a_thousand_people_is_worked_out_from_the_prices() -> None:
    often, seldom = month(10), month(60)
    table = [cells for cells in rows("Costs") if len(cells) == 6]
    [total] = [cells for cells in table if cells[0] == "**sum**"]
    table.remove(total)
    for cells, item in zip(table, often, strict=True):
        assert cells[0].startswith(item)
        assert [*cells[2:]] == [*written(*often[item], cells[0]), *written(*seldom[item], cells[0])], item
    sums = [f"**{sum(round(cost) for _, cost in one.values()):,}**" for one in (often, seldom)]
    assert [total[3], total[5]] == sums


def written(amount: float, cost: float, item: str) -> list[str]:
    if item.startswith("GB"):
        return [_digits(amount), f"{cost:,.0f}"]
    return [f"{_digits(amount / MILLION)} million", f"{cost:,.0f}"]


def _digits(amount: float) -> str:
    """Three digits, or all of a larger number."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


# --- estimates that the code can be asked for


def test_an_idle_stage_has_as_many_alarms_and_runs_as_the_page_says() -> None:
    count = len(alarms(stage.read(ROOT, "prod"), {"Ref": "WebsocketAPI"}))
    minutes = SECONDS // 60
    text = " ".join(section("Costs").split())
    assert f"{count} alarms at $0.10" in text
    assert f"{minutes:,} runs and {minutes * items.SHARDS:,} reads" in text
