"""The trace under a failed test: a line for everything that crossed the gateway or happened behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_sessionplugin.aws.calls import Attempt
from pytest_sessionplugin.gateway.core.compression import read
from pytest_sessionplugin.gateway.redaction import redacted
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Closed,
    DisconnectLost,
    Handshake,
    Invoke,
    Manage,
    Message,
    Note,
    Observed,
    Refuse,
    Reply,
    Request,
    Respond,
    Returned,
    Send,
)
from pytest_sessionplugin.tracebacks import of_function, set_it, unset_variable

LONGEST = 400  # characters of a body
MOST = 400  # lines
ADVICE = "{websocket:domain} stands for its host in [tool.sessionplugin.env]."


@dataclass(frozen=True)
class Line:
    """A line that does not come from the gateway."""

    at: float
    text: str
    order: float = field(default_factory=time.perf_counter)  # `at` stands with a test's clock


def asked_of_aws(attempts: Iterable[Attempt]) -> list[Line]:
    return [
        Line(
            each.at,
            f"aws    {each}" + (f"  ({each.call.function})" if each.call.function else ""),
            each.order,
        )
        for each in attempts
    ]


def render(trace: Sequence[Observed], notes: Iterable[Line] = ()) -> str:
    """One line for each event, in order of time, with the seconds since the first."""
    return _joined([*_lines(trace), *notes])


def render_one(seen: Observed, trace: Sequence[Observed], notes: Iterable[Line] = ()) -> str:
    """The line of one event, as render() of the whole trace shows it."""
    began = min((line.at for line in (*_lines(trace), *notes)), default=seen.at)
    return f"{seen.at - began:8.3f}  {redacted(_line(seen, {}) or '')}"


def render_several(traces: Mapping[str, Sequence[Observed]], notes: Iterable[Line] = ()) -> str:
    """Like render(), for several gateways; each line begins with the name of its gateway."""
    width = max(map(len, traces))
    named = [
        replace(line, text=f"{name:{width}}  {line.text}") for name, trace in traces.items() for line in _lines(trace)
    ]
    return _joined([*named, *(replace(note, text=f"{'':{width}}  {note.text}") for note in notes)])


def _lines(trace: Sequence[Observed]) -> list[Line]:
    runs = {seen.what.invocation_id: seen.what for seen in trace if isinstance(seen.what, Invoke)}
    return [Line(seen.at, text, seen.order) for seen in trace if (text := _line(seen, runs)) is not None]


def _joined(lines: Iterable[Line]) -> str:
    lines = sorted(lines, key=lambda line: (line.at, line.order))
    shown = lines[-MOST:]
    before = [f"… {len(lines) - MOST} lines before these"] if len(lines) > MOST else []
    return "\n".join([*before, *(f"{line.at - lines[0].at:8.3f}  {redacted(line.text)}".rstrip() for line in shown)])


def _line(seen: Observed, runs: Mapping[str, Invoke]) -> str | None:
    match seen.what:
        case Request(method=method, path=path, query=query, body=body):
            return f"http   {method} {path}{'?' if query else ''}{query}  {short(body)}"
        case Respond(reply=reply):
            return f"http   {_reply(reply)}"
        case Handshake(connection_id=id, path=path, query=query):
            return f"socket {id} asks for {path}{'?' if query else ''}{query}"
        case Accept(connection_id=id):
            return f"socket {id} is open"
        case Refuse(connection_id=id, reply=reply):
            return f"socket {id} is refused: {_reply(reply)}"
        case Message(connection_id=id, data=data):
            return f"socket {id} > {short(data)}"
        case Send(connection_id=id, text=text):
            return f"socket {id} < {short(text)}"
        case Close(connection_id=id, code=code, reason=reason):
            return f"socket {id} is closed by the gateway: {code} {reason}"
        case Closed(connection_id=id, code=code, reason=reason):
            return f"socket {id} is closed by its client: {code} {reason}"
        case DisconnectLost(connection_id=id):
            return f"socket {id} will be gone without its $disconnect"
        case Manage(method=method, path=path, body=body):
            answer = _reply(seen.reply) if seen.reply else ""
            why = f"{indented(f'{seen.reply.why}. {ADVICE}')}" if seen.reply and seen.reply.why else ""
            return f"call   {method} {path}  {short(body)}  {answer}{why}"
        case Note():
            return f"note   {seen.what}"
        case Invoke(function=function, event=event) if not _is_of_gateway(event):
            return f"lambda {function} takes {_event(event)}"
        case Returned(invocation_id=id) if seen.error is not None:
            return f"error  {runs[id].function if id in runs else id} failed{traceback_of(seen.error)}"
        case Returned(invocation_id=id, result=result) if id in runs and not _is_of_gateway(runs[id].event):
            return f"lambda {runs[id].function} -> {short(_json(result))}"
    return None


def _is_of_gateway(event: Any) -> bool:
    """Whether a function runs for a request, a frame or an authorizer, which have lines of their own."""
    return isinstance(event, Mapping) and ("requestContext" in event or "methodArn" in event)


_RECORDS = {
    "aws:sqs": ("message", "queue", ":"),
    "aws:sns": ("notification", "topic", ":"),
    "aws:dynamodb": ("change", "table", "/"),
}
"""For each source of records, the noun for a record and for their source, and what precedes its name in an ARN."""


def _event(event: Any) -> str:
    """A few words on the event of a function that the gateway does not run."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if isinstance(records, list) and records and isinstance(record := records[0], Mapping):
        source = str(record.get("eventSource") or record.get("EventSource"))
        if source in _RECORDS:
            noun, place, before = _RECORDS[source]
            return f"{len(records)} {noun}{'s' * (len(records) > 1)} of the {place} {_source(record, before)}".rstrip()
    if isinstance(event, Mapping) and event.get("source") == "aws.events":
        return f"the event of its schedule, of {event.get('time')}"
    return short(_json(event))


def _source(record: Mapping[str, Any], before: str) -> str:
    notification = record.get("Sns")
    arn = notification.get("TopicArn") if isinstance(notification, Mapping) else record.get("eventSourceARN")
    parts = str(arn or "").split(before)
    return parts[1] if before == "/" and len(parts) > 1 else parts[-1]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _reply(reply: Reply) -> str:
    return f"-> {reply.status}  {short(read(reply.headers, reply.body))}".rstrip()


def short(body: str | bytes) -> str:
    text = redacted(body.decode(errors="replace") if isinstance(body, bytes) else body)  # before it is cut
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def traceback_of(error: BaseException) -> str:
    name = unset_variable(error)
    return indented("".join([*of_function(error).format(), set_it(name) if name is not None else ""]).rstrip())


def indented(text: str) -> str:
    return "".join(f"\n            {line}" for line in text.splitlines())
