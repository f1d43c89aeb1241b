"""The reference client: docs/client-spec.md to the letter, without I/O.

Each input (a socket that opened, a frame, a close, the time) returns effects: sockets to open, frames to send, and the
news for the app. `due` is the next time at which `tick` is to be called. A driver numbers nothing: sockets have the
number of their `Open`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tests.service.client_values import (
    MOVES,
    Answered,
    Close,
    Effect,
    Frame,
    Heard,
    Missed,
    Open,
    Over,
    People,
    Send,
    State,
    WantToken,
)

ANSWER: Final = timedelta(seconds=30)  # a function of API Gateway's ends after 29 seconds
WELL: Final = timedelta(minutes=1)  # live for so long: back-off starts anew
LONGEST: Final = 30.0  # seconds of back-off
FULL: Final = 30.0  # seconds, before the first repeat in a full session
KEYED: Final = timedelta(minutes=5)  # how long the service knows a key
REPEATED: Final = timedelta(minutes=1)  # how long the id of a direct message is kept
REFRESH: Final = timedelta(minutes=5)  # before the token's end
LEAST: Final = timedelta(seconds=30)  # between two refreshes, whatever the clock says
EVENTS: Final = ("message", "session.updated", "session.ended")


@dataclass
class _Socket:
    number: int
    opened: bool = False
    hello: tuple[int, int | None] | None = None  # the id and the `resume` of the last one, until it is answered
    greeted: bool = False  # hello was said: the socket that this one replaces may close
    last: Frame | None = None  # what the service said before it closes


@dataclass
class _Asked:
    frame: Frame
    since: datetime
    deadline: datetime | None = None  # of its answer; None: to be said, first or again
    said: int | None = None  # on this socket


class Client:
    """One participant of one session. A client without `refreshes` (a guest) hands over before its time ends."""

    def __init__(self, random: Callable[[], float], refreshes: bool = True) -> None:
        self.state = State.APART
        self.seq: int | None = None  # all up to it were heard, told as missed, or void
        self.session: Frame = {"version": 0}
        self.people = People()
        self._random = random
        self._refreshes = refreshes
        self._out: list[Effect] = []
        self._timers: dict[tuple[str, int], datetime] = {}
        self._sockets: dict[int, _Socket] = {}
        self._here: _Socket | None = None
        self._next: _Socket | None = None
        self._ids = 0
        self._opened = 0
        self._held: dict[int, Frame | None] = {}  # None: the app's own
        self._noticed: list[tuple[int, datetime]] = []  # numbers up to the first are known since the second
        self._version = 0  # the highest that was seen
        self._asked: dict[int, _Asked] = {}
        self._state: Frame | None = None  # what the app last said of itself
        self._directs: dict[str, datetime] = {}
        self._limits: Frame = {"gapSeconds": 5, "pingSeconds": 45}
        self._live_since: datetime | None = None
        self._left: str | None = None  # the last connection's id
        self._renew = False
        self._attempts = self._refusals = self._full = 0

    # --- inputs

    def start(self, now: datetime) -> list[Effect]:
        self._timers["open", 0] = now
        return self.tick(now)

    def opened(self, number: int, now: datetime) -> list[Effect]:
        if number in self._sockets:
            self._sockets[number].opened = True
            self._timers.pop(("silent", number), None)
        return self.tick(now)

    def refused(
        self, number: int, now: datetime, status: int | None = None, code: str = "", retry_after: float = 0
    ) -> list[Effect]:
        """A handshake, or its ticket, was refused; without a status nobody answered."""
        socket = self._sockets.pop(number, None)
        if socket is None:
            return self.tick(now)
        if status == 401:
            self._refusals += 1
            self._renew = True
        if code == "session_full":
            retry_after = max(retry_after, FULL * (1 + self._random()) * 2 ** min(self._full, 4))
            self._full += 1
        elif status in (400, 403, 404, 409, 410) or self._refusals > 1:
            if socket is not self._next:
                self._finish(code or str(status))
                return self.tick(now)
            retry_after = max(retry_after, LONGEST)  # the old connection hears why, if it is to close
        self._without(socket, now, retry_after)
        return self.tick(now)

    def received(self, number: int, frame: Frame, now: datetime) -> list[Effect]:
        socket = self._sockets.get(number)
        if socket is not None:
            self._timers.pop(("silent", number), None)
            self._read(socket, frame, now)
        return self.tick(now)

    def closed(self, number: int, code: int, now: datetime) -> list[Effect]:
        socket = self._sockets.pop(number, None)
        if socket is not None:
            self._lost(socket, code, now)
        return self.tick(now)

    def ask(self, action: Frame, now: datetime) -> list[Effect]:
        """Sends `publish`, `send` or `state`. Its id is in the `Send`, and in the `Answered` that follows."""
        if self.state not in (State.LIVE, State.MOVING):
            raise RuntimeError(f"The client is {self.state.value}: it speaks when it is live.")
        if action["action"] == "state":
            self._state = action
        asked = _Asked({**action, "id": self._new_id()}, now)
        self._asked[asked.frame["id"]] = asked
        return self.tick(now)

    def refresh(self, token: str, now: datetime) -> list[Effect]:
        if self.state in (State.LIVE, State.MOVING):
            self._send(self._speaks(), {"action": "refresh", "token": token, "id": self._new_id()})
        return self.tick(now)

    def close(self, now: datetime) -> list[Effect]:
        if self.state is not State.OVER:
            self._finish("closed")
        return self.tick(now)

    def tick(self, now: datetime) -> list[Effect]:
        """Does what is due, and returns the effects of the input."""
        while (due := self.due) is not None and due <= now:
            gap = self._gap_at()
            if gap is not None and gap <= now:
                self._gap(now)
            for (what, number), at in sorted(self._timers.items(), key=lambda timer: timer[1]):
                if at <= now and self._timers.get((what, number)) == at:
                    del self._timers[what, number]
                    self._due(what, number, now)
            for asked in [one for one in self._asked.values() if one.deadline and one.deadline <= now]:
                self._unanswered(asked, now)
            self._speak(now)
        self._speak(now)
        out, self._out = self._out, []
        return out

    @property
    def due(self) -> datetime | None:
        """When `tick` is to be called, if nothing comes in before."""
        deadlines = [one.deadline for one in self._asked.values()]
        return min((at for at in [self._gap_at(), *deadlines, *self._timers.values()] if at is not None), default=None)

    # --- what is due

    def _due(self, what: str, number: int, now: datetime) -> None:
        if what == "open":
            self._open(now)
        elif what == "ping" and self._here is not None:
            self._send(self._here, {"action": "ping"})
            self._timers["ping", 0] = now + timedelta(seconds=self._limits["pingSeconds"])
            self._timers.setdefault(("silent", self._here.number), now + ANSWER)
        elif what == "silent":  # half-open: nothing comes, and no close either
            self._out.append(Close(number))
            self._lost(self._sockets.pop(number), 1006, now)
        elif what == "hello":  # its answer was lost, or an error
            self._sockets[number].hello = None
            self._hello(self._sockets[number], now)
        elif what == "refresh":
            self._timers["refresh", 0] = now + LEAST
            if self._refreshes:
                self._out.append(WantToken())
            else:
                self._renew = True
                self._move(now)
        elif what == "move":
            self._move(now)

    def _open(self, now: datetime) -> None:
        self._here = self._new_socket(now)
        self._go(State.GREETING)

    def _move(self, now: datetime) -> None:
        if self.state is State.LIVE:
            self._next = self._new_socket(now)
            self._go(State.MOVING)

    def _new_socket(self, now: datetime) -> _Socket:
        self._opened += 1
        socket = self._sockets[self._opened] = _Socket(self._opened)
        self._out.append(Open(socket.number, self._left, self._renew))
        self._timers["silent", socket.number] = now + ANSWER
        return socket

    def _speak(self, now: datetime) -> None:
        """Says hello on a new socket, when nothing is unanswered on the old one; then what the app asked."""
        waits = any(one.deadline is not None for one in self._asked.values())
        for socket in self._sockets.values():
            if socket.opened and not socket.greeted:
                if waits and socket is self._next:
                    return
                self._hello(socket, now)
        if self.state in (State.LIVE, State.MOVING):
            for one in [one for one in self._asked.values() if one.deadline is None]:
                self._unanswered(one, now)
                if one.frame["id"] in self._asked:
                    one.deadline, one.said = now + ANSWER, self._speaks().number
                    self._send(self._speaks(), one.frame)

    def _speaks(self) -> _Socket:
        """The connection that speaks: the next one from its hello on."""
        socket = self._next if self._next is not None and self._next.greeted else self._here
        assert socket is not None
        return socket

    def _hello(self, socket: _Socket, now: datetime) -> None:
        if socket.hello is None:
            socket.greeted, socket.hello = True, (self._new_id(), self.seq)
            resume = {} if self.seq is None else {"resume": {"seq": self.seq}}
            self._send(socket, {"action": "hello", "id": socket.hello[0], **resume})
            self._timers["silent", socket.number] = now + ANSWER
            self._timers["hello", socket.number] = now + ANSWER

    # --- frames

    def _read(self, socket: _Socket, frame: Frame, now: datetime) -> None:
        kind = frame.get("type")
        if kind in EVENTS:
            self._event(frame["seq"], frame, now)
        elif kind == "welcome":
            self._welcome(socket, frame, now)
        elif kind == "ack":
            self._ack(frame, now)
        elif kind == "pong":
            self._pong(frame, now)
        elif kind == "error":
            self._error(socket, frame, now)
        elif kind == "presence":
            news = self.people.presence(frame)
            if news is not None and self.people.told:
                self._out.append(Heard(news))
        elif kind == "direct":
            self._direct(frame, now)
        elif kind == "role":
            self._out.append(Heard(frame))
        if kind in ("closing", "session.ended"):
            socket.last = frame

    def _direct(self, frame: Frame, now: datetime) -> None:
        self._directs = {one: at for one, at in self._directs.items() if now - at < REPEATED}
        if frame["id"] not in self._directs:
            self._out.append(Heard(frame))
        self._directs[frame["id"]] = now

    def _ack(self, frame: Frame, now: datetime) -> None:
        if "seq" in frame and (frame.get("replyTo") in self._asked or not self.session.get("durable")):
            self._event(frame["seq"], None, now)
        elif "seq" in frame:  # too late: the app was told that nobody knows, and hears the event
            self._notice(frame["seq"], now)
        self._version = max(self._version, frame.get("version", 0))
        if "tokenExpiresAt" in frame:
            self._lasts_until(frame["tokenExpiresAt"], now)
        elif (answers := frame.get("replyTo")) in self._asked:
            del self._asked[answers]
            self._out.append(Answered(answers, frame))

    def _pong(self, frame: Frame, now: datetime) -> None:
        self._notice(frame["seq"], now)
        self._version = max(self._version, frame["version"])
        if "tokenExpiresAt" in frame and self._timers.get(("refresh", 0), now) > now + LEAST:
            self._timers["refresh", 0] = now  # the clock of this client is late
        if frame.get("presence") == "off":
            self.people.told = False
        elif frame.get("presence") == "on" and not self.people.is_whole(frame["presenceSince"]):
            self._hello(self._speaks(), now)

    def _error(self, socket: _Socket, frame: Frame, now: datetime) -> None:
        answers = frame.get("replyTo")
        if socket.hello is not None and socket.hello[0] == answers:
            socket.hello = None
            self._timers.pop(("silent", socket.number), None)
            if frame["code"] == "session_not_found":
                self._finish(frame["code"])
            else:
                self._timers["hello", socket.number] = now + self._wait(frame.get("retryAfter", 0))
        elif answers in self._asked:
            del self._asked[answers]
            self._out.append(Answered(answers, frame))
        else:
            self._out.append(Heard(frame))

    def _welcome(self, socket: _Socket, frame: Frame, now: datetime) -> None:
        if socket.hello is None or frame.get("replyTo") != socket.hello[0]:
            return
        resume, socket.hello = socket.hello[1], None
        self._timers.pop(("hello", socket.number), None)
        if self.seq is None or (resume is not None and frame["seq"] < resume):  # new, or of a table that was restored
            if self.seq is not None:
                self._held, self.people, self.session = {}, People(), {"version": 0}
            self.seq, self._noticed, self._version = frame["seq"], [], 0
            self._held = {seq: held for seq, held in self._held.items() if seq > frame["seq"]}
        for event in frame["events"]:
            if event["seq"] > self.seq:
                self._held.setdefault(event["seq"], event)
        self._advance(frame["seq"], missed=not frame["recovered"])
        if self.state is State.OVER:
            return
        self._noticed = [(max(self._held, default=0), now), *((upto, now) for upto, _ in self._noticed)]
        self._learn(frame["session"])
        self.people.welcome(frame)
        self._out.append(Heard(frame))
        self._left, self._limits = frame["connectionId"], frame["limits"]
        if socket is self._next or self.state is State.GREETING:
            self._arrive(socket, now)
        self._timers["move", 0] = max(datetime.fromisoformat(frame["reconnectAt"]), now + WELL)
        self._lasts_until(frame["tokenExpiresAt"], now)
        self._drain()

    def _arrive(self, socket: _Socket, now: datetime) -> None:
        """The socket is the client's from now on; one that it replaces is closed."""
        if socket is self._next and self._here is not None:
            self._forget(self._here)
            self._out.append(Close(self._here.number))
        self._here, self._next = socket, None
        self._renew, self._refusals, self._full = False, 0, 0
        self._live_since = now
        self._timers["ping", 0] = now + timedelta(seconds=self._limits["pingSeconds"])
        self._go(State.LIVE)
        if self._state is not None:  # it went with the last connection
            self._send(socket, self._state)

    def _lasts_until(self, time: str, now: datetime) -> None:
        remaining = datetime.fromisoformat(time) - now
        self._timers["refresh", 0] = now + max(remaining - REFRESH, remaining / 2, LEAST)

    # --- order

    def _event(self, seq: int, frame: Frame | None, now: datetime) -> None:
        """An event, or an own one without a frame. A number that was heard is dropped."""
        if self.seq is None or seq > self.seq:
            self._held.setdefault(seq, frame)
            self._notice(seq, now)
            self._drain()

    def _notice(self, seq: int, now: datetime) -> None:
        self._noticed.append((seq, now))

    def _drain(self) -> None:
        while self.seq is not None and self.seq + 1 in self._held:
            self._advance(self.seq + 1, missed=False)

    def _advance(self, to: int, *, missed: bool) -> None:
        """Delivers what is held up to a number. Others are told as missed, or else void."""
        assert self.seq is not None
        for seq in sorted(seq for seq in self._held if seq <= to):
            if missed and seq > self.seq + 1:
                self._out.append(Missed(self.seq + 1, seq - 1))
            self.seq, frame = seq, self._held.pop(seq)
            if frame is not None:
                self._learn(frame.get("session", self.session))
                self._out.append(Heard(frame))
                if frame["type"] == "session.ended":
                    self._finish("session_ended")
        if missed and to > self.seq:
            self._out.append(Missed(self.seq + 1, to))
        self.seq = max(self.seq, to)

    def _learn(self, session: Frame) -> None:
        if session["version"] >= self.session["version"]:
            self.session = session
            self._version = max(self._version, session["version"])

    def _gap_at(self) -> datetime | None:
        """When the lowest missing number counts as lost. Not while a publish is unanswered, which may have it."""
        if self.state not in (State.LIVE, State.MOVING) or any(what == "hello" for what, _ in self._timers):
            return None
        if any(one.deadline and one.frame["action"] == "publish" for one in self._asked.values()):
            return None
        self._noticed = [(upto, at) for upto, at in self._noticed if upto > (self.seq or 0)]
        return self._noticed[0][1] + timedelta(seconds=self._limits["gapSeconds"]) if self._noticed else None

    def _gap(self, now: datetime) -> None:
        if not self.session.get("durable"):
            self._advance(min([self._noticed[0][0], *(seq - 1 for seq in self._held)]), missed=True)
            self._drain()
            if self._version <= self.session["version"]:
                return
        if self.state is not State.OVER:
            self._hello(self._speaks(), now)

    # --- the end of a socket

    def _lost(self, socket: _Socket, code: int, now: datetime) -> None:
        last = socket.last or {}
        if self._live_since is not None and socket is self._here and now - self._live_since >= WELL:
            self._attempts = 0
        replaced = last.get("code") == "replaced" and self._next is not None and self._next.greeted
        if last.get("type") == "session.ended":
            if self.seq is not None:
                self._advance(last["seq"], missed=True)
            if self.state is not State.OVER:
                self._finish("session_ended")
        elif last.get("reconnect") == "never" and not (replaced and socket is self._here):
            self._finish(last["code"])
        elif code == 1003:
            self._finish("binary_frame")
        else:
            if last.get("code") == "token_expired":
                self._renew = True
            self._without(socket, now, last.get("afterMs", 0) / 1000)

    def _without(self, socket: _Socket, now: datetime, least: float) -> None:
        """Goes on without a socket: on the other one, or on a new one, in so many seconds at least."""
        self._forget(socket)
        for asked in [one for one in self._asked.values() if one.said == socket.number]:
            self._unanswered(asked, now)
        if socket is self._next:
            self._next = None
            self._timers["move", 0] = now + self._wait(least)
            self._go(State.LIVE)
            return
        self._here, self._next, self._live_since = self._next, None, None
        for what in ("ping", "move", "refresh"):
            self._timers.pop((what, 0), None)
        if self._here is not None:
            self._go(State.GREETING)
        else:
            self._go(State.APART)
            self._timers["open", 0] = now + self._wait(least)

    def _unanswered(self, asked: _Asked, now: datetime) -> None:
        """A publish with a key is said again while the service knows the key. Of any other the end is not known."""
        if asked.said is None or ("key" in asked.frame and now - asked.since < KEYED - ANSWER):
            asked.deadline = None
        else:
            del self._asked[asked.frame["id"]]
            self._out.append(Answered(asked.frame["id"], None))

    def _forget(self, socket: _Socket) -> None:
        self._sockets.pop(socket.number, None)
        for what in ("silent", "hello"):
            self._timers.pop((what, socket.number), None)

    def _finish(self, code: str) -> None:
        self._out += [Close(number) for number in self._sockets]
        self._out += [Answered(one, None) for one in self._asked]
        self._sockets, self._timers, self._asked, self._here, self._next = {}, {}, {}, None, None
        self._go(State.OVER)
        self._out.append(Over(code))

    # --- small

    def _wait(self, least: float) -> timedelta:
        """Back-off. `now` is the same at the first time."""
        longest = min(LONGEST, 2.0**self._attempts)
        self._attempts += 1
        return timedelta(seconds=max(least, self._random() * longest))

    def _go(self, state: State) -> None:
        if state not in MOVES[self.state]:
            raise RuntimeError(f"A client cannot go from {self.state.value} to {state.value}.")
        self.state = state

    def _send(self, socket: _Socket, frame: Frame) -> None:
        self._out.append(Send(socket.number, frame))

    def _new_id(self) -> int:
        self._ids += 1
        return self._ids
