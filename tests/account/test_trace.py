"""The trace reads from top to bottom: what came, what went, and what failed behind it."""

from __future__ import annotations

import gzip
import logging
from typing import Any

import pytest

from pytest_sessionplugin.account.journal import AppLog
from pytest_sessionplugin.account.trace import MOST, Line, asked_of_aws, render, render_one, render_several
from pytest_sessionplugin.aws.calls import Attempt, Call
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Close,
    Closed,
    Handshake,
    Invoke,
    Manage,
    Message,
    Observed,
    Raised,
    Refuse,
    Reply,
    Request,
    Respond,
    Returned,
    Send,
)
from tests.gateway.gateways import in_process


def error() -> Exception:
    try:
        return Exception(1 / 0)
    except ZeroDivisionError as raised:
        return raised


def test_each_crossing_is_a_line_with_its_time() -> None:
    trace = [
        Observed(10.0, Request("r", "POST", "/rooms", "a=1", body=b"{}")),
        Observed(10.0, Invoke("i", "api_handler", {"requestContext": {}})),
        Observed(10.25, Respond("r", Reply(201, body=b"made"))),
        Observed(11.0, Handshake("VNR=", "/", "x=y")),
        Observed(11.0, Accept("VNR=")),
        Observed(11.0, Message("VNR=", "hello")),
        Observed(11.0, Manage("POST", "host", "/api/@connections/VNR%3D", b"hi"), Reply(200)),
        Observed(11.0, Manage("POST", "host", "/api/@connections/VNR%3D", b"hi"), Reply(403, why="It is elsewhere")),
        Observed(11.0, Send("VNR=", "hi")),
        Observed(12.0, Closed("VNR=", 1000, "bye")),
        Observed(12.0, Close("XYZ=", 1001, "Going away")),
        Observed(12.0, Refuse("ABC=", Reply(401, body=b"no"))),
    ]
    assert render(trace).splitlines() == [
        "   0.000  http   POST /rooms?a=1  {}",
        "   0.250  http   -> 201  made",
        "   1.000  socket VNR= asks for /?x=y",
        "   1.000  socket VNR= is open",
        "   1.000  socket VNR= > hello",
        "   1.000  call   POST /api/@connections/VNR%3D  hi  -> 200",
        "   1.000  call   POST /api/@connections/VNR%3D  hi  -> 403",
        "            It is elsewhere. {websocket:domain} stands for its host in [tool.sessionplugin.env].",
        "   1.000  socket VNR= < hi",
        "   2.000  socket VNR= is closed by its client: 1000 bye",
        "   2.000  socket XYZ= is closed by the gateway: 1001 Going away",
        "   2.000  socket ABC= is refused: -> 401  no",
    ]


def test_a_function_that_raised_has_its_name_and_its_traceback() -> None:
    raised = Observed(0.0, Returned("i", error=Raised("ZeroDivisionError", "")), error=error())
    text = render([Observed(0.0, Invoke("i", "api_handler", {"requestContext": {}})), raised])
    assert text.startswith("   0.000  error  api_handler failed")
    assert "1 / 0" in text
    assert text.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "error  i failed" in render([raised]), "the invocation began before the trace"


@pytest.mark.parametrize(
    ("event", "takes"),
    [
        (
            {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:orders"}]},
            "1 message of the queue orders",
        ),
        (
            {"Records": 2 * [{"EventSource": "aws:sns", "Sns": {"TopicArn": "arn:aws:sns:eu-west-1:1:news"}}]},
            "2 notifications of the topic news",
        ),
        (
            {
                "Records": [
                    {"eventSource": "aws:dynamodb", "eventSourceARN": "arn:aws:dynamodb:x:1:table/rooms/stream/t"}
                ]
            },
            "1 change of the table rooms",
        ),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "1 message of the queue"),
        (
            {"source": "aws.events", "time": "2026-01-02T03:04:05Z"},
            "the event of its schedule, of 2026-01-02T03:04:05Z",
        ),
        ({"Records": [{"eventSource": ["odd"]}]}, '{"Records": [{"eventSource": ["odd"]}]}'),
        ({"Records": "odd"}, '{"Records": "odd"}'),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_function_that_no_client_called_has_its_event_and_its_result_shown(event: Any, takes: str) -> None:
    trace = [Observed(1.0, Invoke("i", "ship", event)), Observed(1.5, Returned("i", {"ok": True}))]
    assert render(trace).splitlines() == [
        f"   0.000  lambda ship takes {takes}",
        '   0.500  lambda ship -> {"ok": true}',
    ]


def test_while_a_clock_stands_the_lines_keep_the_order_of_their_events() -> None:
    attempt = Attempt(1.0, Call("dynamodb", "GetItem"), "200", order=2.0)
    trace = [
        Observed(1.0, Request("r", "GET", "/rooms"), order=1.0),
        Observed(1.0, Invoke("i", "sweep", {}), order=3.0).kept(),
        Observed(1.0, Respond("r", Reply(200, body=b"[]")), order=4.0),
    ]
    lines = render(trace, asked_of_aws([attempt])).splitlines()
    assert [line.split()[1] for line in lines] == ["http", "aws", "lambda", "http"]


def test_a_compressed_answer_is_shown_as_its_client_reads_it() -> None:
    reply = Reply(200, (("Content-Encoding", "gzip"),), gzip.compress(b'{"people":2}'))
    assert render([Observed(10.0, Respond("r", reply))]) == '   0.000  http   -> 200  {"people":2}'


def test_one_line_is_that_of_the_whole() -> None:
    trace = [Observed(10.0, Request("r", "GET", "/rooms")), Observed(10.25, Respond("r", Reply(200, body=b"{}")))]
    notes = [Line(9.0, "aws    before them")]
    assert render_one(trace[1], trace, notes) == render(trace, notes).splitlines()[-1] == "   1.250  http   -> 200  {}"


def test_no_line_ends_in_spaces() -> None:
    trace = [
        Observed(0.0, Request("r", "GET", "/rooms")),
        Observed(0.0, Message("VNR=", "")),
        Observed(0.0, Manage("GET", "host", "/api/@connections/VNR%3D", b"")),
        Observed(0.0, Close("VNR=", 1005, "")),
    ]
    for line in [*render(trace).splitlines(), *render_several({"chat": trace, "club": []}).splitlines()]:
        assert line == line.rstrip()


def test_what_the_app_logs_stands_where_it_happened_with_its_traceback() -> None:
    log = AppLog()
    raised = error()
    told = (type(raised), raised, raised.__traceback__)
    record = logging.LogRecord("app", logging.ERROR, "", 0, "caught it", None, told)
    log.handle(record)
    plain = logging.LogRecord("app", logging.WARNING, "", 0, "%s is late", ("alice",), None)
    plain.created = record.created + 2
    log.handle(plain)
    lines = render(
        [Observed(record.created - 1, Accept("VNR=")), Observed(record.created + 1, Accept("X="))], log.lines
    ).splitlines()
    assert lines[1] == "   1.000  log    ERROR caught it"
    assert lines[-3].endswith("ZeroDivisionError: division by zero")
    assert lines[-2].endswith("socket X= is open")
    assert lines[-1] == "   3.000  log    WARNING alice is late"


def test_an_app_that_writes_its_tracebacks_itself_has_them_shown() -> None:
    log = AppLog()
    record = logging.LogRecord("app", logging.ERROR, "", 0, "caught it", None, None)
    record.exc_text = "Traceback, without values:\n  app.py:1"
    log.handle(record)
    assert [line.strip() for line in render([], log.lines).splitlines()] == [
        "0.000  log    ERROR caught it",
        "Traceback, without values:",
        "app.py:1",
    ]


def test_what_was_asked_of_aws_is_a_line_with_its_outcome_and_its_function() -> None:
    attempts = [
        Attempt(1.0, Call("dynamodb", "PutItem"), "200"),
        Attempt(1.5, Call("dynamodb", "UpdateItem", "api_handler"), "400 ConditionalCheckFailedException"),
    ]
    assert render([], asked_of_aws(attempts)).splitlines() == [
        "   0.000  aws    dynamodb:PutItem -> 200",
        "   0.500  aws    dynamodb:UpdateItem -> 400 ConditionalCheckFailedException  (api_handler)",
    ]


def test_no_line_has_a_token_in_it() -> None:
    jwt = f"eyJ{'a' * 30}.eyJ{'b' * 500}.c"
    trace = [
        Observed(1.0, Request("r", "GET", "/", f"token={jwt}")),
        Observed(1.0, Message("VNR=", f'{{"token": "{jwt}"}}')),
        Observed(1.0, Returned("i", error=Raised("ValueError", "")), error=ValueError(jwt)),
    ]
    shown = render(trace, [Line(1.0, f"log    INFO Bearer {jwt}")])
    assert "eyJa" not in shown
    assert shown.count("eyJ…") + shown.count("Bearer …") == 4


def test_of_a_long_trace_the_end_is_shown() -> None:
    lines = render([Observed(float(n), Accept(f"{n}=")) for n in range(MOST + 7)]).splitlines()
    assert lines[0] == "… 7 lines before these"
    assert len(lines) == MOST + 1
    assert lines[-1].endswith(f"socket {MOST + 6}= is open")


def test_long_bodies_are_cut() -> None:
    text = render([Observed(0.0, Message("VNR=", "x" * 1000))])
    assert text.endswith("x… (1000 characters)")
    assert len(text) < 500


def test_nothing_is_nothing() -> None:
    assert render([]) == ""
    assert render([], [Line(1.0, "alone")]) == "   0.000  alone"


def test_a_traceback_begins_where_the_kit_ran_the_function() -> None:
    """And so without what runs the test: a direct `invoke` raises through all of pytest."""

    def handler(event: Any, context: Any) -> Any:
        return 1 / 0

    try:
        in_process(Api(), lambda invoke: handler(invoke.event, None)).invoke("sweep")
    except ZeroDivisionError as raised:
        shown = render([Observed(0.0, Returned("i"), error=raised)])
    assert "test_a_traceback_begins" not in shown
    assert "pytest_sessionplugin/" not in shown
    assert "in handler" in shown
