"""The largest `welcome`: whatever it holds, API Gateway carries it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import events, frames, history, http, jsontext, presence, sessions
from chalicelib.events import Event, Resumed
from chalicelib.members import SUBJECT_LENGTH, Participant, Role, person
from chalicelib.memory import MemoryStore
from chalicelib.model import LARGEST_SEQ, MESSAGE_BYTES, Draft, Session
from chalicelib.rates import Limits, Rate
from tests.service.fakes import NOON, connection, new_session
from tests.service.fuzz import thorough

LETTERS = ["\x01", "\U0001f600", "\u20ac", "é", '"', "x"]
"""JSON in UTF-8 makes 6, 4, 3, 2, 2 and 1 bytes of them."""
PRINTABLE = LETTERS[1:]  # as the letters of a subject are
LIMITS = Limits(Rate(10**9), Rate(10**9))


@dataclass(frozen=True)
class Contents:
    """The contents of a welcome: texts of one letter, by their lengths, and the bytes of `metadata`. `others` are
    messages before the last one, which fills a resume but for `beyond`. `people` have so many bytes; None stands for a
    room in which nobody is told."""

    letter: str = LETTERS[0]
    printable: str = PRINTABLE[0]
    owner: int = SUBJECT_LENGTH
    title: int = http.TITLE_LENGTH
    metadata: int = sessions.METADATA_BYTES
    reply_to: int = frames.REPLY_TO_LENGTH
    others: int = 0
    beyond: int = 0
    people: int | None = frames.PICTURE_BYTES
    states: bool = False


def up_to(longest: int) -> st.SearchStrategy[int]:
    return st.just(longest) | st.integers(1, longest)


CONTENTS = st.builds(
    Contents,
    st.sampled_from(LETTERS),
    st.sampled_from(PRINTABLE),
    up_to(SUBJECT_LENGTH),
    up_to(http.TITLE_LENGTH),
    st.integers(7, sessions.METADATA_BYTES),
    up_to(frames.REPLY_TO_LENGTH),
    others=st.integers(0, 3),
    beyond=st.integers(-1, 1),
    people=st.none() | up_to(2 * frames.PICTURE_BYTES),
    states=st.booleans(),
)


def filled(letter: str, size: int) -> str:
    """Text of which JSON makes so many bytes between quotes."""
    each = jsontext.size(letter) - 2
    return letter * (size // each) + "x" * (size % each)


def session_of(contents: Contents) -> Session:
    return replace(
        new_session(MemoryStore(), Draft(durable=True, presence=True)),
        owner_id=contents.printable * contents.owner,
        title=contents.letter * contents.title,
        metadata={"": filled(contents.letter, contents.metadata - jsontext.size({"": ""}))},
        ended_at=NOON,
        version=LARGEST_SEQ,
        seq=LARGEST_SEQ,
        seq_at=NOON,
        presence_seq=LARGEST_SEQ,
        max_connections=http.MAX_CONNECTIONS[-1],
        join_as=Role.PARTICIPANT,
    )


def resumed(contents: Contents, session: Session) -> Resumed:
    store, first = MemoryStore(), session.seq - contents.others

    def message(number: int, size: int) -> Event:
        text = filled(contents.letter, size)
        return events.message(replace(session, seq=first + number), contents.printable, text, NOON, "c" * 128)

    kept = [message(number, 20_000) for number in range(contents.others)]
    room = events.RESUMED_BYTES - jsontext.size(frames.events([*kept, message(contents.others, 0)]))
    for event in (*kept, message(contents.others, room + contents.beyond)):
        store.put_event(event)
    return history.resume(session, first - 1, store=store, now=NOON, pause=lambda seconds: None)


def people(contents: Contents) -> list[Participant] | None:
    if contents.people is None:
        return None
    state = jsontext.compact(filled(contents.letter, presence.STATE_BYTES - 2)) if contents.states else None
    found: list[Participant] = []
    left, others = contents.people - 1, jsontext.size(person(Participant("", Role.PARTICIPANT, 1, NOON))) + 1
    while left > others:
        size = min(left - others, SUBJECT_LENGTH // 2 * 2)
        found.append(Participant(filled(contents.printable, size), Role.PARTICIPANT, 1, NOON, state))
        left -= size + others
    return found


def size_of(contents: Contents) -> int:
    session = session_of(contents)
    told = frames.welcome(connection("s", "i" * 128), session, resumed(contents, session), LIMITS)
    frame = frames.replying({**told, **frames.picture(session, people(contents))}, contents.letter * contents.reply_to)
    return len(frames.text(frame).encode())


@thorough()
@given(CONTENTS)
def test_a_welcome_is_carried_whatever_it_holds(contents: Contents) -> None:
    assert size_of(contents) < MESSAGE_BYTES


def test_the_largest_welcome_is_carried() -> None:
    assert MESSAGE_BYTES - 200 < size_of(Contents()) < MESSAGE_BYTES
    assert size_of(Contents(beyond=1)) < MESSAGE_BYTES - events.RESUMED_BYTES + 200, "which is not recovered"
