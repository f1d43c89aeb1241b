"""The values of the reference client: its states, its effects, and who is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

Frame = Mapping[str, Any]


class State(Enum):
    APART = "apart"  # without a socket; the next one opens at a known time
    GREETING = "greeting"  # a socket is opening, or its hello is unanswered
    LIVE = "live"  # welcomed: hears and speaks
    MOVING = "moving"  # live, while the next connection opens and says hello
    OVER = "over"  # for good


MOVES: Final = {
    State.APART: {State.GREETING, State.OVER},
    State.GREETING: {State.APART, State.LIVE, State.OVER},
    State.LIVE: {State.APART, State.MOVING, State.OVER},
    State.MOVING: {State.LIVE, State.GREETING, State.OVER},
    State.OVER: set[State](),
}


@dataclass(frozen=True)
class Open:
    """Get a credential and open a socket. With `renew`, the credential of before will not do."""

    socket: int
    replaces: str | None
    renew: bool


@dataclass(frozen=True)
class Send:
    socket: int
    frame: Frame


@dataclass(frozen=True)
class Close:
    socket: int


@dataclass(frozen=True)
class WantToken:
    """Call `refresh` with a newer token."""


@dataclass(frozen=True)
class Heard:
    """A frame for the app: events in order, once each; `welcome` where its snapshot belongs among them."""

    frame: Frame


@dataclass(frozen=True)
class Missed:
    """Numbers that were not heard. In a durable session `GET …/events` has those that are not void."""

    first: int
    last: int


@dataclass(frozen=True)
class Answered:
    """The `ack` or `error` of a frame of the app's, or None: nobody knows whether it had an effect."""

    id: int
    answer: Frame | None


@dataclass(frozen=True)
class Over:
    code: str


Effect: TypeAlias = "Open | Send | Close | WantToken | Heard | Missed | Answered | Over"


@dataclass
class People:
    """The people of a session, as `welcome` and `presence` tell."""

    told: bool = False
    cut: bool = False  # too many for a welcome: the app lists the others over HTTP
    there: dict[str, Frame] = field(default_factory=dict)
    _base: int = -1
    _numbers: dict[str, int] = field(default_factory=dict)

    def welcome(self, frame: Frame) -> None:
        base = frame.get("presenceSeq", -1)
        self.told = "participants" in frame
        if self.told and base >= self._base:  # an older picture than that of another welcome changes nothing
            later = {subject: n for subject, n in self._numbers.items() if n > base}
            there = {one["subject"]: one for one in frame["participants"] if one["subject"] not in later}
            there |= {subject: self.there[subject] for subject in later if subject in self.there}
            self.cut = "more" in frame
            self.there, self._base, self._numbers = there, base, later

    def is_whole(self, since: int) -> bool:
        """Whether each change from this number on was told."""
        return self.told and self._base >= since

    def presence(self, frame: Frame) -> Frame | None:
        """The frame without what is older than the picture; None if nothing is left."""
        joined = [one for one in frame.get("join", ()) if self._newer(one["subject"], frame["n"])]
        left = [subject for subject in frame.get("leave", ()) if self._newer(subject, frame["n"])]
        self.there |= {one["subject"]: one for one in joined}
        for subject in left:
            self.there.pop(subject, None)
        return {**frame, "join": joined, "leave": left} if joined or left else None

    def _newer(self, subject: str, n: int) -> bool:
        newer = n > self._numbers.get(subject, self._base)
        if newer:
            self._numbers[subject] = n
        return newer
