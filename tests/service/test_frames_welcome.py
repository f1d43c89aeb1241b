"""The largest `welcome`: whatever it holds, API Gateway carries it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import events, frames, history, http, jsontext, presence, sessions
from chalicelib.events import Event, Resumed
from chalicelib.members import SUBJECT_LENGTH, Duplicates, Participant, Role, person
from chalicelib.memory import MemoryStore
from chalicelib.model import LARGEST_SEQ, MESSAGE_BYTES, Draft, Session, Status
from chalicelib.rates import Limits, Rate
from tests.service.fakes import NOON, connection, new_session
from tests.service.fuzz import thorough

LETTERS = st.sampled_from([("\x01", "\U0001f600"), ("\u20ac", "\u20ac"), ("é", "é"), ('"', '"'), ("x", "x")])
"""For texts, and for subjects, which are printable. JSON in UTF-8 makes 6, 4, 3, 2 or 1 bytes of each."""


def filled(letter: str, size: int) -> str:
    """Text of which JSON makes so many bytes."""
    each = jsontext.size(letter) - 2
    return letter * ((size - 2) // each) + "x" * ((size - 2) % each)


def lengths(longest: int) -> st.SearchStrategy[int]:
    return st.just(longest) | st.integers(1, longest)


@st.composite
def snapshots(draw: st.DrawFn, letter: str, printable: str) -> Session:
    metadata = {"": filled(letter, draw(lengths(sessions.METADATA_BYTES - 5)) + 2)}
    assert jsontext.size(metadata) <= sessions.METADATA_BYTES + 2
    return replace(
        new_session(MemoryStore(), Draft(metadata={}, durable=True, presence=True)),
        owner_id=printable * draw(lengths(SUBJECT_LENGTH)),
        title=letter * draw(lengths(http.TITLE_LENGTH)),
        metadata=metadata,
        status=draw(st.sampled_from(Status)),
        ended_at=NOON,
        version=LARGEST_SEQ,
        seq=LARGEST_SEQ,
        seq_at=NOON,
        presence_seq=LARGEST_SEQ,
        join_as=draw(st.sampled_from([Role.PARTICIPANT, Role.VIEWER])),
        duplicates=draw(st.sampled_from(Duplicates)),
        max_connections=http.MAX_CONNECTIONS[-1],
    )


@st.composite
def resumes(draw: st.DrawFn, session: Session, letter: str, printable: str) -> Resumed:
    """After messages of which the last one fills a resume, or is a byte too long for it."""
    store, many = MemoryStore(), draw(st.integers(1, 4))

    def kept(sizes: list[int]) -> list[Event]:
        first = session.seq - many + 1
        taken = (replace(session, seq=first + n) for n in range(many))
        texts = (filled(letter, size) for size in sizes)
        return [events.message(one, printable, text, NOON, "c" * 128) for one, text in zip(taken, texts, strict=True)]

    others = [20_000] * (many - 1)
    room = events.RESUMED_BYTES - jsontext.size(frames.events(kept([*others, 2])))
    for event in kept([*others, 2 + room + draw(st.sampled_from([0, 0, 1]))]):
        store.put_event(event)
    return history.resume(session, session.seq - many, store=store, now=NOON, pause=lambda seconds: None)


@st.composite
def people(draw: st.DrawFn, letter: str, printable: str) -> list[Participant] | None:
    """As many as fill their part, with states or without, or a few, or too many to be shown."""
    room = draw(st.sampled_from([None, 500, frames.PICTURE_BYTES]))
    if room is None:
        return None
    state = jsontext.compact(filled(letter, presence.STATE_BYTES)) if draw(st.booleans()) else None
    found: list[Participant] = []
    left, others = room - 1, jsontext.size(person(Participant("", Role.PARTICIPANT, 1, NOON))) + 1
    while left > others:
        size = min(left - others, 250 * (jsontext.size(printable) - 2))
        found.append(Participant(filled(printable, size + 2), Role.PARTICIPANT, 1, NOON, state))
        left -= size + others
    return found


def test_a_welcome_is_carried_whatever_it_holds() -> None:
    sizes: list[int] = []

    @thorough()
    @given(LETTERS, st.data())
    def draw(letters: tuple[str, str], data: st.DataObject) -> None:
        session = data.draw(snapshots(*letters))
        resumed = data.draw(resumes(session, *letters))
        limits = Limits(Rate(10**9), Rate(10**9))
        told = frames.welcome(connection(session.session_id, "i" * 128), session, resumed, limits)
        shown = frames.picture(session, data.draw(people(*letters)))
        reply_to = letters[0] * data.draw(lengths(frames.REPLY_TO_LENGTH))
        sizes.append(len(frames.text(frames.replying({**told, **shown}, reply_to)).encode()))
        assert sizes[-1] < MESSAGE_BYTES

    draw()
    assert max(sizes) > MESSAGE_BYTES - 200, "it has met the largest"
