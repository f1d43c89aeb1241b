"""A test's WebSocket: sends, receives, and shows the transcript when an expectation fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_sessionplugin.gateway.client.patterns import Matching, Pattern, differences, parsed
from pytest_sessionplugin.gateway.client.transport import ClientConnection, Ended, Transport
from pytest_sessionplugin.gateway.redaction import brief, redacted

# pytest would print frames as they came; errors have them without credentials
__tracebackhide__ = True

MANY = 10_000
"""Frames that an expectation skips at most: a function may go on sending for ever."""

ADVICE = ". The client has left it: use it before close() or drop(), and within its `with` block"

_SHOWN = 20  # lines of a transcript
_OPTIONS = ("skip",)  # keywords of expect() that are not fields
_SENDERS: dict[type, str] = {str: "send_text", bytes: "send_bytes"}


class ConnectionClosed(Exception):
    """The socket is closed. 1005 is a close frame without a code, 1006 no close frame at all."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, code: int, reason: str, transcript: str = "") -> None:
        said = f"code {code}, reason {reason!r}" if reason else f"code {code}"
        super().__init__(f"the socket is closed: {said}{transcript}")
        self.code, self.reason = code, reason


class NothingReceived(AssertionError):
    """The frame did not come before the gateway was quiet, or within the timeout of a deployed stage.

    Shows what did come.
    """

    __module__ = "pytest_sessionplugin"


@dataclass(frozen=True)
class Frame:
    """A message that the client sent or received; of a closed socket, its code and reason."""

    direction: Literal["sent", "received", "closed"]
    data: str | bytes

    def json(self) -> Any:
        """Raises AssertionError if it is not JSON."""
        try:
            return json.loads(self.data)
        except ValueError:
            raise AssertionError(f"expected JSON, received {redacted(str(self.data))}") from None

    def __str__(self) -> str:
        shown = redacted(str(self.data))
        return f"{self.direction:>8}  {shown if len(shown) <= 500 else f'{shown[:500]}… ({len(self.data)})'}"

    def __repr__(self) -> str:
        return f"Frame({self.direction!r}, {redacted(repr(self.data))})"


class WebSocket:
    """One connection, open from the start. Leave it with `close()`, `drop()` or a `with` statement."""

    def __init__(
        self,
        transport: Transport,
        connection: ClientConnection,
        *,
        on_end: Callable[[WebSocket], None],
        lose_disconnect: Callable[[str], None],
        pending: Callable[[], str] = lambda: "",
    ) -> None:
        """`pending` names work that has not been done, for a frame that did not come."""
        self._transport, self._connection = transport, connection
        self._on_end, self._lose_disconnect, self._pending = on_end, lose_disconnect, pending
        self._held: str | None = None  # a frame that receive_nothing() found
        self._ended: Ended | None = None
        self._is_left = False
        self.frames: list[Frame] = []
        """The transcript."""

    @property
    def connection_id(self) -> str | None:
        """The id by which the app knows it; None on a deployed stage."""
        return self._connection.connection_id

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    # --- sending

    def send_json(self, value: Any) -> None:
        self.send_text(json.dumps(value))

    def send_text(self, text: str, *, frame_bytes: int | None = None) -> None:
        """Sends a message, in one frame or in frames of `frame_bytes`. Raises ConnectionClosed."""
        _check_kind("send_text", str, text)
        self._transmit(text, frame_bytes)

    def send_bytes(self, data: bytes, *, frame_bytes: int | None = None) -> None:
        """Sends a binary message; API Gateway closes the connection with 1003. Raises ConnectionClosed."""
        _check_kind("send_bytes", bytes, data)
        self._transmit(data, frame_bytes)

    # --- receiving

    def receive_text(self) -> str:
        """The next frame. Raises NothingReceived as soon as the gateway is quiet, or ConnectionClosed.

        With a deployed stage it waits until the timeout.
        """
        text = self._next_text()
        if text is None:
            raise self._nothing(f"no frame came{self._and_quiet}")
        return text

    def receive_json(self) -> Any:
        """As receive_text(). Raises AssertionError if the frame is not JSON."""
        text = self.receive_text()
        try:
            return json.loads(text)
        except ValueError:
            raise AssertionError(f"expected JSON, received {redacted(text)}{self._transcript()}") from None

    def expect(self, pattern: Pattern | None = None, /, *, skip: bool = False, **fields: Any) -> dict[str, Any]:
        """The next frame, an object that has these fields; with `skip`, the next one that has them.

        Objects and lists in it are compared in the same way, everything else by ==. `pattern` is for fields that are
        not identifiers, or called `skip`. Raises AssertionError for another frame, otherwise as receive_text().
        """
        if pattern is not None and not isinstance(pattern, Mapping):
            raise TypeError(f"expect() takes fields, as in expect(field={pattern!r}), or a mapping of them")
        return self._find([{**(pattern or {}), **fields}], skip)[0]

    def expect_all(self, *patterns: Pattern, any_order: bool = False, skip: bool = False) -> list[dict[str, Any]]:
        """A frame for each pattern, in the order of the patterns; with `any_order` they may come in any other.

        Otherwise as expect().
        """
        if not all(isinstance(pattern, Mapping) for pattern in patterns):
            raise TypeError("expect_all() takes a mapping for each frame, as in expect_all({'a': 1}, {'a': 2})")
        if any_order:
            return self._find(patterns, skip)
        return [self.expect(pattern, skip=skip) for pattern in patterns]

    def __iter__(self) -> Iterator[Frame]:
        """Receives until the gateway is quiet or the socket is closed.

        From a deployed stage, until no frame has come for the timeout.
        """
        while (found := self._next()) is not None:
            if isinstance(found, Ended):
                self._closed(found)
                return
            self.frames.append(Frame("received", found))
            yield self.frames[-1]

    def receive_nothing(self) -> None:
        """Passes if no frame is here or on its way. Otherwise raises AssertionError, and the frame can be received."""
        found = self._next()
        if isinstance(found, Ended):
            raise self._closed(found)
        if found is not None:
            self._held = found
            raise AssertionError(f"expected no frame, received {redacted(found)}{self._transcript()}")

    # --- leaving

    def close(self, code: int | None = None, reason: str = "") -> None:
        """The closing handshake. Frames that came before can still be received.

        Raises ValueError for a code or reason that clients may not send, such as 1005 or a reason without a code.
        """
        if not _may_send(code, reason):
            allowed = "1000 to 1003, 1007 to 1014 or 3000 to 4999, with a reason of 123 bytes at most, or without both"
            raise ValueError(f"a client cannot close with code {code} and reason {reason!r}; it closes with {allowed}")
        self._leave(f"close {'' if code is None else code} {reason}", lambda: self._connection.close(code, reason))

    def drop(self, *, disconnect: bool = True) -> None:
        """Leaves without a close frame, as a client whose network fails.

        Without `disconnect`, its `$disconnect` does not run, which is "best effort" on AWS. Posts to it answer 410.
        """
        if not disconnect:
            self._lose_disconnect(self.connection_id or "")
        self._leave("dropped", self._connection.drop)

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, KeyboardInterrupt):  # Ctrl-C: no handler is to run, and hang, again
            self.close()

    # --- helpers

    def _transmit(self, data: str | bytes, frame_bytes: int | None) -> None:
        self.frames.append(Frame("sent", data))
        if ended := self._connection.send(data, frame_bytes):
            self.frames.pop()
            raise self._closed(ended)

    def _find(self, patterns: Sequence[Pattern], skip: bool) -> list[dict[str, Any]]:
        """A frame for each pattern, in whatever order they come."""
        if not all(patterns):
            raise TypeError("expect() takes at least one field; receive_json() returns any frame")
        since, matching, others = time.monotonic(), Matching(patterns), list[Any]()
        while missing := matching.missing:
            enough = len(others) == MANY or (others and self._is_over(since))
            text = None if enough else self._next_text()
            wanted = " and ".join(map(brief, missing))
            if text is None:
                raise self._nothing(f"expected {wanted}; {self._instead(missing, others)}")
            frame = parsed(text)
            if matching.add(frame):
                continue
            if not skip:
                why = _why(missing, frame)
                raise AssertionError(f"expected {wanted}, received {brief(frame)}{why}{self._transcript()}")
            others.append(frame)
        return matching.frames

    def _nothing(self, sentence: str) -> NothingReceived:
        pending = self._pending()
        return NothingReceived(f"{sentence}{'; ' if pending else ''}{pending}{self._transcript()}")

    def _instead(self, missing: Sequence[Pattern], others: Sequence[Any]) -> str:
        if not others:
            return f"no frame came{self._and_quiet}"
        nearest = min(others, key=lambda frame: len(differences(missing[0], frame)))
        count = f"{len(others)} other frame{'s' * (len(others) > 1)} came"
        return f"{count}{self._and_quiet}; the nearest was {brief(nearest)}{_why(missing, nearest)}"

    def _is_over(self, since: float) -> bool:
        """Whether a stage's timeout has passed. Elsewhere no time passes before a frame comes, or none will."""
        patience = self._transport.patience
        return patience is not None and time.monotonic() - since > patience

    @property
    def _and_quiet(self) -> str:
        patience = self._transport.patience
        return ", and the gateway is quiet" if patience is None else f" within {patience:g} s"

    def _next_text(self) -> str | None:
        """Receives a frame; None if none comes. Raises ConnectionClosed."""
        found = self._next()
        if isinstance(found, Ended):
            raise self._closed(found)
        if found is not None:
            self.frames.append(Frame("received", found))
        return found

    def _next(self) -> str | Ended | None:
        """The next frame, or the end, that is here now or once the gateway is quiet."""
        if self._held is not None:
            found, self._held = self._held, None
            return found
        found_now = self._connection.take()
        if found_now is None:
            self._transport.settle(self._connection)
            found_now = self._connection.take()
        return found_now

    def _closed(self, ended: Ended) -> ConnectionClosed:
        if self._ended is None:
            self._ended = ended
            self.frames.append(Frame("closed", f"{ended.code} {ended.reason}".strip()))
            self._on_end(self)
        return ConnectionClosed(ended.code, ended.reason, f"{ADVICE if self._is_left else ''}{self._transcript()}")

    def _leave(self, how: str, action: Callable[[], None]) -> None:
        if self._ended is None:
            self.frames.append(Frame("sent", how.strip()))
            action()
        self._is_left = True
        self._on_end(self)

    def _transcript(self) -> str:
        if not self.frames:
            return "; nothing was sent or received on this socket"
        lines = "\n".join(f"  {frame}" for frame in self.frames[-_SHOWN:])
        before = len(self.frames) - _SHOWN
        return f"; on this socket{f', after {before} others' if before > 0 else ''}:\n{lines}"


def _why(missing: Sequence[Pattern], frame: Any) -> str:
    """Says how a frame differs from the one that is missing, if that is one."""
    if len(missing) > 1 or not isinstance(frame, dict):
        return ""
    return f": {'; '.join(differences(missing[0], frame, _OPTIONS))}"


def _check_kind(method: str, kind: type, data: object) -> None:
    if not isinstance(data, kind):
        other = _SENDERS.get(type(data), "send_json")
        raise TypeError(f"{method}() takes {kind.__name__}, not {type(data).__name__}, which {other}() sends")


def _may_send(code: int | None, reason: str) -> bool:
    """RFC 6455, 7.4: some codes are never sent."""
    if code is None:
        return not reason
    defined = 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    return defined and len(reason.encode()) <= 123
