from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest

from chalicelib import errors, sessions
from chalicelib.memory import MemoryStore
from chalicelib.metrics import Metric
from chalicelib.model import (
    Change,
    Draft,
    Once,
    Outcome,
    Page,
    Patch,
    Principal,
    Report,
    Session,
    Status,
    Write,
    Written,
)
from tests.service.fakes import ALICE, NOON, Deliveries, new_session, write


def change(
    store: sessions.SessionStore, deliver: Deliveries, session: Session, patch: Patch, by: Write | None = None
) -> Session:
    return sessions.change_session(
        session.session_id, patch, by or write(), store=store, deliver=deliver, correlation_id="a-request"
    )


def end(
    store: sessions.SessionStore, deliver: Deliveries, session: Session, by: Write | None = None, **measure: Any
) -> Session:
    return sessions.end_session(
        session.session_id, by or write(), store=store, deliver=deliver, correlation_id="a-request", **measure
    )


def test_an_id_is_130_random_bits_in_base32(store: MemoryStore) -> None:
    def made_of(bits: bytes) -> str:
        return sessions.create_session(
            Draft(), ALICE, store=store, now=NOON, random=lambda size: bits * size, request_id="r"
        ).session.session_id

    made = [made_of(b"\x00"), made_of(b"\xff")]
    assert made == ["a" * 26, "7" * 26]
    assert all(re.fullmatch(r"[a-z2-7]{26}", session_id) for session_id in made)


def test_a_new_session_is_active_and_lasts_as_long_as_was_asked(store: MemoryStore) -> None:
    session = new_session(store, Draft(expires_in=timedelta(seconds=60)))
    assert (session.status, session.version, session.seq) == (Status.ACTIVE, 1, 0)
    assert session.expires_at - session.created_at == timedelta(seconds=60)


@pytest.mark.parametrize(
    "session_id", ["", "a" * 25, "a" * 27, "A" * 26, "a" * 10_000, "a/b#c d", "connection#x", "a" * 25 + "\n"]
)
def test_what_cannot_be_an_id_is_not_found_without_asking_the_store(store: MemoryStore, session_id: str) -> None:
    session, nothing = new_session(store), cast("MemoryStore", object())  # an object without any method
    with pytest.raises(errors.SessionNotFound):
        sessions.find_session(session_id, ALICE, store=nothing, now=NOON)
    with pytest.raises(errors.SessionNotFound):
        end(nothing, Deliveries(), replace(session, session_id=session_id))
    with pytest.raises(errors.SessionNotFound):
        change(nothing, Deliveries(), replace(session, session_id=session_id), Patch(title="x"))


def test_metadata_ends_at_4096_bytes_and_16_levels(store: MemoryStore) -> None:
    fits = {"a": "x" * (4096 - len('{"a":""}'))}
    assert new_session(store, Draft(metadata=fits)).metadata == fits
    with pytest.raises(errors.InvalidRequest, match="4096"):
        new_session(store, Draft(metadata={"a": fits["a"] + "x"}))
    deep: dict[str, object] = {}
    for _ in range(15):
        deep = {"a": deep}
    assert new_session(store, Draft(metadata=deep)).metadata == deep
    with pytest.raises(errors.InvalidRequest, match="16"):
        new_session(store, Draft(metadata={"a": deep}))


def test_a_change_is_told_with_the_whole_session_and_the_next_seq(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store)
    changed = change(store, deliver, session, Patch(status=Status.PAUSED, title="Later"))
    assert (changed.status, changed.title, changed.version, changed.seq) == (Status.PAUSED, "Later", 2, 1)
    assert [(frame["type"], frame["seq"], frame["session"]["version"]) for frame in deliver.frames] == [
        ("session.updated", 1, 2)
    ]


@pytest.mark.parametrize(
    "patch",
    [Patch(), Patch(status=Status.ACTIVE), Patch(title="Standup"), Patch(metadata={}), Patch(metadata={"gone": None})],
)
def test_a_patch_that_changes_nothing_writes_and_tells_nothing(
    store: MemoryStore, deliver: Deliveries, patch: Patch
) -> None:
    session = new_session(store)
    assert change(store, deliver, session, patch) == session
    assert deliver.frames == []


def test_a_patch_that_changes_nothing_is_judged_all_the_same(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store)
    for patch in (Patch(), Patch(status=Status.ACTIVE), Patch(metadata={})):
        with pytest.raises(errors.NotOwner):
            change(store, deliver, session, patch, write("mallory"))
        with pytest.raises(errors.VersionMismatch):
            change(store, deliver, session, patch, write(versions=frozenset({2})))


def test_metadata_is_merged_into_what_is_there(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store, Draft(metadata={"a": 1, "b": {"c": 2}}))
    changed = change(store, deliver, session, Patch(metadata={"a": None, "b": {"d": 3}}))
    assert changed.metadata == {"b": {"c": 2, "d": 3}}
    assert change(store, deliver, session, Patch(metadata=None)).metadata == {}


class Contended(MemoryStore):
    """Another request changes the metadata just before each of the first `times` changes."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def change_session(self, session_id: str, change: Change, write: Write) -> Written:
        if self.times > 0:
            self.times -= 1
            other = replace(write, request_id=f"other-{self.times}", versions=None)
            super().change_session(session_id, Change(metadata={"other": self.times}), other)
        return super().change_session(session_id, change, write)


def test_a_merge_sees_what_others_wrote_in_between(deliver: Deliveries) -> None:
    store = Contended(4)
    session = new_session(store)
    assert change(store, deliver, session, Patch(metadata={"mine": 1})).metadata == {"other": 0, "mine": 1}


def test_a_merge_gives_up_after_five_attempts(deliver: Deliveries) -> None:
    store = Contended(99)
    session = new_session(store)
    with pytest.raises(errors.Unavailable):
        change(store, deliver, session, Patch(metadata={"mine": 1}))
    assert store.times == 94


def test_a_merge_with_if_match_is_not_tried_on_another_version(deliver: Deliveries) -> None:
    store = Contended(1)
    session = new_session(store)
    with pytest.raises(errors.VersionMismatch):
        change(store, deliver, session, Patch(metadata={"mine": 1}), write(versions=frozenset({1})))


@pytest.mark.parametrize("patch", [Patch(status=Status.ACTIVE), Patch(title="x"), Patch(metadata={"a": 1})])
def test_an_ended_session_never_changes(store: MemoryStore, deliver: Deliveries, patch: Patch) -> None:
    session = new_session(store)
    ended = end(store, deliver, session)
    with pytest.raises(errors.SessionEnded):
        change(store, deliver, session, patch)
    assert store.find_session(session.session_id) == ended


@pytest.mark.parametrize(
    "patch",
    [
        Patch(status=Status.ENDED),
        Patch(status=Status.ENDED, title="Standup"),
        Patch(status=Status.ENDED, metadata={"gone": None}),
        Patch(metadata=None),
        Patch(),
    ],
)
def test_a_patch_to_what_an_ended_session_is_succeeds_and_writes_nothing(
    store: MemoryStore, deliver: Deliveries, patch: Patch
) -> None:
    session = new_session(store)
    ended = change(store, deliver, session, Patch(status=Status.ENDED))
    assert change(store, deliver, session, patch, write(versions=frozenset({1}))) == ended
    assert store.find_session(session.session_id) == ended


# --- told in the end


class Unreachable(Deliveries):
    def broadcast(self, *args: Any, **kwargs: Any) -> Report:
        raise errors.Unavailable("The roster")


def test_a_change_that_was_delivered_is_told(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store)
    deliver.report = Report({Outcome.FAILED: 3})  # whatever became of the recipients
    change(store, deliver, session, Patch(title="x"))
    stored = store.find_session(session.session_id)
    assert stored is not None
    assert (stored.untold, stored.due_at) == (False, session.expires_at)
    change(store, deliver, session, Patch(title="x"))
    assert len(deliver.frames) == 1


REPEATS: list[tuple[Patch, dict[str, Any], type[errors.SessionsError] | None]] = [
    (Patch(title="x"), {}, None),
    (Patch(), {}, None),
    (Patch(metadata={}), {}, None),
    (Patch(title="y"), {"versions": frozenset({1})}, errors.VersionMismatch),
    (Patch(title="x"), {"versions": frozenset({1})}, errors.VersionMismatch),
    (Patch(metadata={"a": 1}), {"versions": frozenset({1})}, errors.VersionMismatch),
]


@pytest.mark.parametrize(("patch", "by", "refusal"), REPEATS)
def test_a_patch_that_writes_nothing_tells_what_is_untold(
    store: MemoryStore, deliver: Deliveries, patch: Patch, by: dict[str, Any], refusal: type[Exception] | None
) -> None:
    session = new_session(store)
    untold = change(store, Unreachable(), session, Patch(title="x"))
    for _ in range(2):
        with pytest.raises(refusal) if refusal else contextlib.nullcontext():
            change(store, deliver, session, patch, write(**by))
    assert [(frame["seq"], frame["session"]["version"]) for frame in deliver.frames] == [(1, 2)], "once"
    assert store.find_session(session.session_id) == replace(untold, due_at=session.expires_at)


def test_a_delete_that_is_refused_tells_what_is_untold(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store)
    change(store, Unreachable(), session, Patch(title="x"))
    with pytest.raises(errors.VersionMismatch):
        end(store, deliver, session, write(versions=frozenset({1})))
    assert [frame["type"] for frame in deliver.frames] == ["session.updated"]


@pytest.mark.parametrize(
    ("patch", "refusal"), [(Patch(status=Status.ENDED), None), (Patch(), None), (Patch(title="x"), errors.SessionEnded)]
)
def test_an_end_is_told_again_by_any_patch_until_it_is_settled(
    store: MemoryStore, deliver: Deliveries, patch: Patch, refusal: type[Exception] | None
) -> None:
    session = new_session(store)
    end(store, Unreachable(), session)
    for settled in (False, True):
        if settled:
            store.settle_session(session.session_id, NOON + timedelta(minutes=1))
        with pytest.raises(refusal) if refusal else contextlib.nullcontext():
            change(store, deliver, session, patch)
    assert [(frame["type"], frame["seq"]) for frame in deliver.frames] == [("session.ended", 1)]
    assert deliver.closed == [session.session_id]


@pytest.mark.parametrize("subject", ["alice", "mallory"])
def test_nobody_but_the_owner_has_a_change_told(store: MemoryStore, deliver: Deliveries, subject: str) -> None:
    session = new_session(store)
    change(store, Unreachable(), session, Patch(title="x"))
    with contextlib.suppress(errors.NotOwner):
        change(store, deliver, session, Patch(), write(subject))
    with contextlib.suppress(errors.NotOwner, errors.VersionMismatch):
        end(store, deliver, session, write(subject, versions=frozenset({1})))
    assert len(deliver.frames) == (subject == "alice")


def test_what_has_expired_untold_is_left_to_the_sweep(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store, Draft(expires_in=timedelta(seconds=60)))
    change(store, Unreachable(), session, Patch(title="x"))
    late = NOON + timedelta(seconds=61)
    with pytest.raises(errors.SessionEnded):
        change(store, deliver, session, Patch(title="y"), write(now=late))
    end(store, deliver, session, write(now=late))
    assert deliver.frames == []


class Failing(MemoryStore):
    def told_session(self, session: Session) -> None:
        raise errors.Unavailable("The database")


def test_a_change_that_was_told_and_not_noted_is_told_again(deliver: Deliveries) -> None:
    store = Failing()
    session = new_session(store)
    for _ in range(2):
        assert change(store, deliver, session, Patch(title="x")).version == 2
    assert [frame["seq"] for frame in deliver.frames] == [1, 1]


def test_an_earlier_delivery_does_not_pass_for_a_later_one(store: MemoryStore) -> None:
    session = new_session(store)

    class Slow(Deliveries):
        def broadcast(self, *args: Any, **kwargs: Any) -> Report:
            change(store, Unreachable(), session, Patch(title="later"))
            return super().broadcast(*args, **kwargs)

    change(store, Slow(), session, Patch(title="earlier"))
    stored = store.find_session(session.session_id)
    assert stored is not None
    assert (stored.version, stored.untold) == (3, True)


@pytest.mark.parametrize(
    "patch",
    [
        Patch(status=Status.ENDED),
        Patch(status=Status.ENDED, title="Done"),
        Patch(status=Status.ENDED, metadata={"a": 1}),
    ],
)
def test_an_end_by_patch_closes_what_is_connected(store: MemoryStore, deliver: Deliveries, patch: Patch) -> None:
    session = new_session(store)
    assert change(store, deliver, session, patch).status is Status.ENDED
    assert deliver.closed == [session.session_id]


def test_an_end_is_delivered_again_to_whatever_is_left(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store)
    first = end(store, deliver, session)
    again = end(store, deliver, session)
    assert again == first
    told = {"type": "session.ended", "seq": 1, "reason": "ended", "correlationId": "a-request"}
    assert deliver.frames == [told, told]
    assert deliver.closed == [session.session_id] * 2


def test_to_end_what_has_expired_is_left_to_the_sweep(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store, Draft(expires_in=timedelta(seconds=60)))
    late = write(now=NOON + timedelta(minutes=5))
    ended = end(store, deliver, session, late)
    assert (ended, deliver.frames) == (session, [])
    assert ended.at(late.now).status is Status.ENDED


def test_no_session_lasted_less_than_nothing(store: MemoryStore, deliver: Deliveries) -> None:
    """The clock of the function that ends it may be behind that of the function that made it."""
    session = new_session(store)
    measured: dict[str, float] = {}

    def measure(metric: Metric, value: float = 1.0, by: str = "") -> None:
        measured[metric.name] = value

    early = write(now=NOON - timedelta(seconds=2))
    end(store, deliver, session, early, measure=measure)
    assert measured == {"SessionsEnded": 1.0, "SessionDuration": 0.0}


def test_nobody_but_the_owner_ends_a_session(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store)
    with pytest.raises(errors.NotOwner):
        end(store, deliver, session, write("mallory"))
    assert store.find_session(session.session_id) == session
    assert deliver.frames == []


def test_drafts_that_mean_the_same_have_one_fingerprint() -> None:
    draft = Draft(title="x", metadata={"a": 1, "b": {"c": 2, "d": 3}})
    same = Draft(title="x", metadata={"b": {"d": 3, "c": 2}, "a": 1})
    assert sessions.fingerprint(draft) == sessions.fingerprint(same)
    changes: list[dict[str, Any]] = [
        {"title": "y"},
        {"metadata": {"a": 2}},
        {"durable": True},
        {"presence": True},
        {"expires_in": timedelta(seconds=60)},
    ]
    prints = {sessions.fingerprint(replace(draft, **change)) for change in [{}, *changes]}
    assert len(prints) == 6


def test_a_repeated_create_finds_the_session_as_it_is_now(store: MemoryStore, deliver: Deliveries) -> None:
    once = Once("key", sessions.fingerprint(Draft()))

    def create(random: bytes) -> Written:
        return sessions.create_session(
            Draft(), ALICE, store=store, now=NOON, random=lambda size: random * size, request_id="r", once=once
        )

    first = create(b"1")
    change(store, deliver, first.session, Patch(title="renamed"))
    again = create(b"2")
    assert (first.changed, again.changed) == (True, False)
    assert (again.session.session_id, again.session.title) == (first.session.session_id, "renamed")


def everything(
    store: MemoryStore, owner: Principal, limit: int, status: Status | None = None, now: datetime = NOON
) -> list[Page]:
    pages = [sessions.list_sessions(owner, store=store, now=now, status=status, limit=limit, after=None)]
    while pages[-1].after is not None:
        pages.append(
            sessions.list_sessions(owner, store=store, now=now, status=status, limit=limit, after=pages[-1].after)
        )
    return pages


def test_a_list_of_one_status_loses_nothing_between_its_pages(store: MemoryStore, deliver: Deliveries) -> None:
    made = [new_session(store, now=NOON - timedelta(seconds=i)) for i in range(9)]
    for session in made[::2]:
        change(store, deliver, session, Patch(status=Status.PAUSED))
    pages = everything(store, ALICE, 2, Status.PAUSED)
    listed = [session.session_id for page in pages for session in page.sessions]
    assert listed == [session.session_id for session in made[::2]]
    assert all(len(page.sessions) <= 2 for page in pages)


def test_a_list_counts_what_has_expired_as_ended(store: MemoryStore) -> None:
    new_session(store, Draft(expires_in=timedelta(seconds=60)), now=NOON - timedelta(hours=1))
    running = new_session(store)
    assert [s.session_id for page in everything(store, ALICE, 9, Status.ACTIVE) for s in page.sessions] == [
        running.session_id
    ]
    assert len(everything(store, ALICE, 9, Status.ENDED)[0].sessions) == 1


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (0, False), (1, 1.0), ([1], [True]), ({"b": 0}, {"b": False})]
)
def test_what_python_takes_for_equal_is_a_change_all_the_same(
    store: MemoryStore, deliver: Deliveries, before: object, after: object
) -> None:
    session = new_session(store, Draft(metadata={"a": before}))
    changed = change(store, deliver, session, Patch(metadata={"a": after}))
    assert repr(changed.metadata) == repr({"a": after})
    assert changed.version == 2


def test_what_is_written_is_not_refused_because_nobody_could_be_told(store: MemoryStore) -> None:
    session = new_session(store)
    assert change(store, Unreachable(), session, Patch(title="x")).version == 2
    ended = end(store, Unreachable(), session)
    assert ended.status is Status.ENDED


@pytest.mark.parametrize("ended", [False, True])
def test_past_its_purge_a_session_is_not_found_although_its_row_is_there(
    store: MemoryStore, deliver: Deliveries, ended: bool
) -> None:
    session = new_session(store)
    if ended:
        store.change_session(session.session_id, sessions.END, write())
    purge = session.expires_at + timedelta(days=7)

    def attempts(now: datetime) -> list[Callable[[], object]]:
        told: dict[str, Any] = {"store": store, "deliver": deliver, "correlation_id": "c"}
        return [
            lambda: sessions.find_session(session.session_id, ALICE, store=store, now=now),
            lambda: sessions.end_session(session.session_id, write(now=now), **told),
            *(
                partial(sessions.change_session, session.session_id, patch, write(subject, now=now), **told)
                for patch in (Patch(), Patch(title="x"), Patch(metadata={"a": 1}))
                for subject in ("alice", "mallory")
            ),
        ]

    deliver.frames.clear()
    for attempt in attempts(purge):
        with pytest.raises(errors.SessionNotFound):
            attempt()
    assert deliver.frames == []
    assert everything(store, ALICE, 9, now=purge) == [Page((), None)]
    just_before = purge - timedelta(milliseconds=1)
    assert attempts(just_before)[0]() == store.find_session(session.session_id)
    assert len(everything(store, ALICE, 9, now=just_before)[0].sessions) == 1
