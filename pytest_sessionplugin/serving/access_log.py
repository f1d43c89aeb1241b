"""The access log of `serve`: a line for each request, handshake, message and close, with notes below it.

The gateway calls it under its lock, so it only queues what it is given. A thread of its own puts that into words.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.aws.calls import Uncounted
from pytest_sessionplugin.gateway.core.notes import Authorized
from pytest_sessionplugin.gateway.redaction import redacted
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Closed,
    Handshake,
    Headers,
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
    header,
)
from pytest_sessionplugin.serving.console import GREEN, RED, YELLOW, coloured, write

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.calls import Attempt

BATCH = 0.05  # seconds for which lines are gathered: a write for each would cost a request more than its line
MOST = 20_000  # events that may wait to be put into words; more come if nobody reads stderr
LONGEST = 400  # characters of a path or a frame
SHORTEST = 8  # characters of a credential that is looked for in other texts
FAREWELL = 2.0  # seconds for the last lines


@dataclass(slots=True)
class _Line:
    """A line in the making. Its texts are printable."""

    what: str  # method and path, or connection and event
    at: float
    headers: Headers = ()
    functions: tuple[str, ...] = ()
    principal: str = ""
    calls: tuple[str, ...] = ()  # of AWS: the service of each
    notes: tuple[Note | str, ...] = ()
    is_event: bool = False  # its end is that of its function

    def let_pass(self, caller: str) -> None:
        self.principal = _plain(_without_credential(caller, self.headers))

    def runs(self, function: str) -> None:
        self.functions += (function,)

    def calls_aws(self, service: str) -> None:
        self.calls += (service,)

    def explain(self, note: Note | str) -> None:
        self.notes += (note,)

    def rest(self, seconds: float) -> str:
        """Everything after the status."""
        told = f"  {1000 * seconds:.0f} ms"
        if self.functions:
            told += "  " + ", ".join(self.functions)
        if who := self.principal or _subject(_credential(self.headers)):
            told += "  " + who
        if self.calls:
            told += "  " + ", ".join(f"{count} {service}" for service, count in Counter(self.calls).items())
        return told


class AccessLog:
    """Prints within its block. With `frames`, it also prints each frame that a WebSocket takes or sends."""

    def __init__(self, write: Callable[[str], None] = write, *, frames: bool = False) -> None:
        self._frames = frames
        self._lines = _Lines(write, frames=frames)
        self._queue: SimpleQueue[_Event | None] = SimpleQueue()
        self._over = threading.Event()
        self._is_lossy = False
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._queue.put(None)
        self._thread.join(FAREWELL)

    def observe(self, seen: Observed) -> None:
        """Takes what crosses the gateway. Called under its lock."""
        kind = type(seen.what)
        if kind is Manage:
            by = caller.here()
            self._put(_Call(seen, by.id if by is not None else None))
        elif kind is not Send or self._frames:
            self._put(seen)

    def attempted(self, attempt: Attempt) -> None:
        """Takes an attempt of a call of AWS."""
        self._put(_Call(attempt, attempt.call.invocation_id))

    def _put(self, event: _Event) -> None:
        if self._queue.qsize() < MOST:
            self._queue.put(event)
        else:
            self._is_lossy = True

    def _run(self) -> None:
        while not (self._over.is_set() and self._queue.empty()):
            self._take(self._queue.get())
            self._over.wait(BATCH)
            for _ in range(self._queue.qsize()):
                self._take(self._queue.get())
            if self._is_lossy:
                self._is_lossy = False
                self._lines.lose()
            self._lines.flush()

    def _take(self, event: _Event | None) -> None:
        if event is not None:
            self._lines.take(event)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of @connections or an attempt of another one, and the id of the invocation that made it."""

    call: Observed | Attempt
    by: str | None


_Event = Observed | _Call


class LoggedCalls(Uncounted):
    """Keeps no calls, and gives each attempt to the log."""

    def __init__(self, log: AccessLog) -> None:
        super().__init__()
        self._log = log

    def attempted(self, attempt: Attempt) -> None:
        self._log.attempted(attempt)


class _Lines:
    """Puts events into words, in their order. For one thread only."""

    def __init__(self, write: Callable[[str], None], *, frames: bool) -> None:
        self._write, self._frames = write, frames
        self._asked: dict[str, _Line] = {}  # by the id of the request, or of the connection that asks to be opened
        self._running: dict[str, _Line] = {}  # by the id of the invocation
        self._open: dict[str, float] = {}  # connection -> when it was opened
        self._asking: _Line | None = None  # the request that has just come: an authorizer's event does not name it
        self._words: dict[str, str] = {}
        self._text: list[str] = []

    def take(self, event: _Event) -> None:
        try:
            if isinstance(event, _Call):
                self._call(event)
            else:
                self._cross(event)
        except Exception as error:  # noqa: BLE001 - one line less, and the log goes on
            self._text.append(f"(no line can be made of this: {type(error).__name__})\n")

    def _cross(self, seen: Observed) -> None:
        """Something crosses the gateway. The most frequent events come first: each case costs a request time."""
        at, asking = seen.at, self._asking
        match seen.what:
            case Note() as note:
                self._note(at, note)
                return
            case Request() as request:
                line = _Line(f"{request.method} {_target(request.path, request.query)}", at, request.headers)
                self._asking = self._asked[request.id] = line
                return
            case Invoke() as invoke:
                self._invoke(at, invoke, asking)
            case Returned() as returned:
                self._returned(at, returned, seen.error)
            case Respond(request_id=id, reply=reply) | Refuse(connection_id=id, reply=reply):
                if asked := self._asked.pop(id, None):
                    self._end(asked, at, self._status(reply.status))
            case Message(connection_id=id, data=data):
                if self._frames:
                    self._say(at, f"WS {id}  > {_frame(data)}")
            case Send(connection_id=id, text=text):
                self._say(at, f"WS {id}  < {_frame(text)}")
            case Handshake(connection_id=id, headers=headers) as handshake:
                self._asked[id] = _Line(f"WS {_target(handshake.path, handshake.query)}", at, headers)
            case Accept(connection_id=id):
                self._open[id] = at
                if asked := self._asked.pop(id, None):
                    self._end(asked, at, self._status(101), f"  {id}")
            case Closed(connection_id=id, code=code, reason=reason):
                self._closed(at, id, code, reason, "its client")
            case Close(connection_id=id, code=code, reason=reason):
                self._closed(at, id, code, reason, "the gateway")
        self._asking = None

    def lose(self) -> None:
        """Forgets all that has begun: its end may be among what was not taken."""
        self._asked.clear()
        self._running.clear()
        self._open.clear()
        self._text.append("(the log is behind: some lines are missing here)\n")

    def flush(self) -> None:
        text, self._text = "".join(self._text), []
        if text:
            with suppress(OSError, ValueError):  # nobody reads stderr, or it is closed
                self._write(text)

    # --- functions and calls

    def _invoke(self, at: float, invoke: Invoke, asking: _Line | None) -> None:
        context = invoke.event.get("requestContext") if isinstance(invoke.event, Mapping) else None
        context = context if isinstance(context, Mapping) else {}
        connection, kind = context.get("connectionId"), context.get("eventType")
        line = self._asked.get(str(connection or context.get("requestId"))) or asking
        if line is None or kind in ("MESSAGE", "DISCONNECT"):
            what = f"WS {connection}  {str(kind).lower()}" if connection else f"invoke {invoke.function}"
            line = _Line(what, at, is_event=True)
        if line.what != f"invoke {invoke.function}":
            line.runs(invoke.function)
        self._running[invoke.invocation_id] = line

    def _returned(self, at: float, returned: Returned, error: BaseException | None) -> None:
        line = self._running.pop(returned.invocation_id, None)
        if line is not None and line.is_event:
            self._end(line, at, self._word("failed", RED) if error is not None or returned.error else "")

    def _call(self, made: _Call) -> None:
        line = self._running.get(made.by or "")
        if not isinstance(made.call, Observed):
            self._attempt(made.call, line)
        elif isinstance(made.call.what, Manage) and made.call.reply is not None:
            self._manage(made.call.at, made.call.what, made.call.reply, line)

    def _attempt(self, attempt: Attempt, line: _Line | None) -> None:
        if line is not None:
            line.calls_aws(attempt.call.service)
            if not attempt.outcome.startswith("2"):
                line.explain(str(attempt))

    def _manage(self, at: float, call: Manage, reply: Reply, line: _Line | None) -> None:
        what = f"{call.method} {_target(call.path, '')}"
        if line is None:  # of another process
            line = _Line(what, at)
            if call.denied is not None and reply.status == 403:
                line.explain("its signature is missing or wrong: SDKs sign it with the credentials that serve printed")
            self._end(line, at, self._status(reply.status))
            return
        line.calls_aws("@connections")
        if reply.status >= 300:
            line.explain(f"{what} -> {reply.status}")

    # --- lines

    def _note(self, at: float, note: Note) -> None:
        line = self._asked.get(note.id)
        if isinstance(note, Authorized) and line is not None and not isinstance(note.verdict, Reply):
            line.let_pass(note.caller or "")
        elif line is not None:
            line.explain(note)
        else:
            self._say(at, f"WS {note.id}  {note}")

    def _closed(self, at: float, id: str, code: int, reason: str, by: str) -> None:
        if (line := self._asked.pop(id, None)) is not None:
            self._end(line, at, self._word("left before it was answered", YELLOW))
        elif (opened := self._open.pop(id, None)) is not None:
            self._say(
                at, f"WS {id}  closed by {by}: {code} {redacted(reason)}".rstrip() + f"  after {at - opened:.0f} s"
            )

    def _end(self, line: _Line, at: float, status: str, more: str = "") -> None:
        self._text.append(f"{_clock(int(line.at))}  {line.what}{status}{line.rest(at - line.at)}{more}\n")
        for note in line.notes:
            self._text.append(f"          {_plain(_without_credential(str(note), line.headers))}\n")

    def _status(self, status: int) -> str:
        return self._word(str(status), RED if status >= 500 else YELLOW if status >= 400 else GREEN)

    def _word(self, word: str, colour: str) -> str:
        """The column of the status."""
        if word not in self._words:
            self._words[word] = f"  {coloured(word, colour)}"
        return self._words[word]

    def _say(self, at: float, text: str) -> None:
        self._text.append(f"{_clock(int(at))}  {_plain(text)}\n")


@lru_cache(maxsize=256)
def _target(path: str, query: str) -> str:
    return _plain(_cut(redacted(f"{path}?{query}" if query else path)))


def _frame(data: str | bytes) -> str:
    """Redacted before it is cut, which could leave half of a secret."""
    return f"{len(data)} bytes" if isinstance(data, bytes) else _cut(redacted(data))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _plain(text: str) -> str:
    """The text without control characters: a client must not move the cursor, nor forge a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@lru_cache(maxsize=4)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def _credential(headers: Headers) -> str:
    return (header(headers, "authorization") or "").rpartition(" ")[2]


def _without_credential(text: str, headers: Headers) -> str:
    """An authorizer may name its caller by the token itself."""
    credential = _credential(headers)
    return text.replace(credential, "…") if len(credential) >= SHORTEST else text


@lru_cache(maxsize=64)
def _subject(credential: str) -> str:
    """The subject of a token that no authorizer has checked; empty without one."""
    parts = credential.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        subject = claims["sub"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return _plain(f"token of {redacted(subject)}") if isinstance(subject, str) else ""
