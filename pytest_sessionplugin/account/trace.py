"""What crossed the gateway, and what went wrong behind it, as lines to read under a failed test."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_sessionplugin.aws.calls import Attempt
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Closed,
    DisconnectLost,
    Frame,
    Handshake,
    Manage,
    Observed,
    Refuse,
    Reply,
    Request,
    Respond,
    Returned,
    Send,
)
from pytest_sessionplugin.tracebacks import of_function

LONGEST = 400  # characters of a body
MOST = 400  # lines


@dataclass(frozen=True)
class Note:
    """A line of our own among what was observed."""

    at: float
    text: str


class AppLog(logging.Handler):
    """Keeps what the app logs, with the traceback where there is one: Chalice answers a bug with 500, and logs it."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[Note] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = f"log    {record.levelname} {_short(record.getMessage())}"
        told = _indented(record.exc_text or "") if error is None else _traceback(error)
        self.notes.append(Note(record.created, text + told))


def asked_of_aws(attempts: Iterable[Attempt]) -> list[Note]:
    return [
        Note(
            each.at,
            f"aws    {each.call}  -> {each.outcome}" + (f"  ({each.call.function})" if each.call.function else ""),
        )
        for each in attempts
    ]


def render(trace: Sequence[Observed], notes: Iterable[Note] = ()) -> str:
    """A line for each, in order of time, with the seconds since the first."""
    return _joined([*_lines(trace), *notes])


def render_several(traces: Mapping[str, Sequence[Observed]], notes: Iterable[Note] = ()) -> str:
    """The same of several gateways; each line has the name of its own in front."""
    width = max(map(len, traces))
    named = [Note(line.at, f"{name:{width}}  {line.text}") for name, trace in traces.items() for line in _lines(trace)]
    return _joined([*named, *(Note(note.at, f"{'':{width}}  {note.text}") for note in notes)])


def _lines(trace: Sequence[Observed]) -> list[Note]:
    return [Note(seen.at, text) for seen in trace if (text := _line(seen)) is not None]


def _joined(lines: Iterable[Note]) -> str:
    lines = sorted(lines, key=lambda line: line.at)
    shown = lines[-MOST:]
    before = [f"… {len(lines) - MOST} lines before these"] if len(lines) > MOST else []
    return "\n".join([*before, *(f"{line.at - lines[0].at:8.3f}  {line.text}" for line in shown)])


def _line(seen: Observed) -> str | None:
    match seen.what:
        case Request(method=method, path=path, query=query, body=body):
            return f"http   {method} {path}{'?' if query else ''}{query}  {_short(body)}"
        case Respond(reply=reply):
            return f"http   {_reply(reply)}"
        case Handshake(connection_id=id, path=path, query=query):
            return f"socket {id} asks for {path}{'?' if query else ''}{query}"
        case Accept(connection_id=id):
            return f"socket {id} is open"
        case Refuse(connection_id=id, reply=reply):
            return f"socket {id} is refused: {_reply(reply)}"
        case Frame(connection_id=id, data=data):
            return f"socket {id} > {_short(data)}"
        case Send(connection_id=id, text=text):
            return f"socket {id} < {_short(text)}"
        case Close(connection_id=id, code=code, reason=reason):
            return f"socket {id} is closed by the gateway: {code} {reason}"
        case Closed(connection_id=id, code=code, reason=reason):
            return f"socket {id} is closed by its client: {code} {reason}"
        case DisconnectLost(connection_id=id):
            return f"socket {id} will be gone without its $disconnect"
        case Manage(method=method, path=path, body=body):
            answer = _reply(seen.reply) if seen.reply else ""
            return f"call   {method} {path}  {_short(body)}  {answer}"
        case Returned() if seen.error is not None:
            return f"error  {seen.what.invocation_id} failed{_traceback(seen.error)}"
    return None


def _reply(reply: Reply) -> str:
    return f"-> {reply.status}  {_short(reply.body)}".rstrip()


def _short(body: str | bytes) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _traceback(error: BaseException) -> str:
    return _indented("".join(of_function(error).format()).rstrip())


def _indented(text: str) -> str:
    return "".join(f"\n            {line}" for line in text.splitlines())
