"""The trace under a failed test: a line for everything that crossed the gateway or happened behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_sessionplugin.aws.calls import Attempt
from pytest_sessionplugin.gateway.redaction import masked
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Closed,
    DisconnectLost,
    Handshake,
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


def asked_of_aws(attempts: Iterable[Attempt]) -> list[Line]:
    return [
        Line(
            each.at,
            f"aws    {each}" + (f"  ({each.call.function})" if each.call.function else ""),
        )
        for each in attempts
    ]


def render(trace: Sequence[Observed], notes: Iterable[Line] = ()) -> str:
    """One line for each event, in order of time, with the seconds since the first."""
    return _joined([*_lines(trace), *notes])


def render_several(traces: Mapping[str, Sequence[Observed]], notes: Iterable[Line] = ()) -> str:
    """Like render(), for several gateways; each line begins with the name of its gateway."""
    width = max(map(len, traces))
    named = [Line(line.at, f"{name:{width}}  {line.text}") for name, trace in traces.items() for line in _lines(trace)]
    return _joined([*named, *(Line(note.at, f"{'':{width}}  {note.text}") for note in notes)])


def _lines(trace: Sequence[Observed]) -> list[Line]:
    return [Line(seen.at, text) for seen in trace if (text := _line(seen)) is not None]


def _joined(lines: Iterable[Line]) -> str:
    lines = sorted(lines, key=lambda line: line.at)
    shown = lines[-MOST:]
    before = [f"… {len(lines) - MOST} lines before these"] if len(lines) > MOST else []
    return "\n".join([*before, *(f"{line.at - lines[0].at:8.3f}  {masked(line.text)}" for line in shown)])


def _line(seen: Observed) -> str | None:
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
        case Returned() if seen.error is not None:
            return f"error  {seen.what.invocation_id} failed{traceback_of(seen.error)}"
    return None


def _reply(reply: Reply) -> str:
    return f"-> {reply.status}  {short(reply.body)}".rstrip()


def short(body: str | bytes) -> str:
    text = masked(body.decode(errors="replace") if isinstance(body, bytes) else body)  # before it is cut
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def traceback_of(error: BaseException) -> str:
    name = unset_variable(error)
    return indented("".join([*of_function(error).format(), set_it(name) if name is not None else ""]).rstrip())


def indented(text: str) -> str:
    return "".join(f"\n            {line}" for line in text.splitlines())
