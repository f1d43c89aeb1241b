from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import InvalidRegionError

from chalicelib import errors, logs
from chalicelib.delivery import AGAIN, FIRST, WORKERS, Answer, Delivery, MeasuredDelivery
from chalicelib.errors import Unavailable
from chalicelib.members import Connection, Endpoint, Recipient
from chalicelib.memory import MemoryStore
from chalicelib.metrics import Metric
from chalicelib.model import Outcome, Report
from tests.service.fakes import ENDPOINT, NOON, Clock, Deliveries, Management, connection

FRAME = {"type": "message", "data": "é"}
OLD = NOON - timedelta(minutes=1)


class Room:
    """A session with some connections in it, and the delivery to it."""

    def __init__(
        self, *members: Connection, management: Management | None = None, roster: MemoryStore | None = None
    ) -> None:
        self.store = roster or MemoryStore()
        for member in members:
            self.store.connect(member)
        self.management = management or Management()
        self.clock = Clock()
        self.pauses: list[float] = []
        self.delivery = Delivery(self.store, self.management, clock=self.clock, random=lambda: 0.5, pause=self.pause)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds=seconds)

    def broadcast(self, but: str | None = None, close: bool = False) -> Report:
        return self.delivery.broadcast("s", FRAME, began=NOON, but=but, close=close)


def members(count: int, **changes: object) -> list[Connection]:
    return [connection("s", f"{i:03d}=", **changes) for i in range(count)]  # type: ignore[arg-type]


def test_everyone_but_the_sender_gets_the_frame_once() -> None:
    room = Room(*members(40))
    assert room.broadcast(but="007=").counts == {Outcome.SENT: 39}
    assert sorted(room.management.posts) == [
        (f"{i:03d}=", '{"type":"message","data":"é"}') for i in range(40) if i != 7
    ]


def test_posts_are_under_way_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=5)

    def meet(connection_id: str) -> Answer:
        meeting.wait()
        return Answer.DONE

    assert Room(*members(8), management=Management(meet)).broadcast().counts == {Outcome.SENT: 8}


def test_a_dead_socket_leaves_the_roster_and_touches_nobody_else() -> None:
    room = Room(
        *members(10, connected_at=OLD), management=Management(lambda c: Answer.GONE if int(c[:3]) % 2 else Answer.DONE)
    )
    assert room.broadcast().counts == {Outcome.SENT: 5, Outcome.GONE: 5}
    assert [c.connection_id for page in room.store.roster("s") for c in page] == [
        "000=",
        "002=",
        "004=",
        "006=",
        "008=",
    ]


@pytest.mark.parametrize(("age", "outcome"), [(0, Outcome.PENDING), (34.9, Outcome.PENDING), (35, Outcome.GONE)])
def test_gone_means_pending_while_the_handshake_may_be(age: float, outcome: Outcome) -> None:
    room = Room(
        connection("s", connected_at=NOON - timedelta(seconds=age)), management=Management(lambda c: Answer.GONE)
    )
    for close in (False, True):
        room.store.connect(connection("s", connected_at=NOON - timedelta(seconds=age)))
        assert room.broadcast(close=close).counts == {outcome: 1}
        assert (room.store.find_connection("one=") is not None) == (outcome is Outcome.PENDING)


def test_a_throttled_recipient_is_tried_again_with_growing_pauses() -> None:
    answers = iter([Answer.THROTTLED, Answer.THROTTLED, Answer.DONE])
    room = Room(connection("s"), management=Management(lambda c: next(answers)))
    assert room.broadcast().counts == {Outcome.SENT: 1}
    assert room.pauses == pytest.approx([0.15, 0.3]), "three quarters of 0.2 and of 0.4: shortened by half of 0.5"


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_a_recipient_that_stays_throttled_is_tried_for_20_seconds_and_stays(random: float) -> None:
    room = Room(connection("s", connected_at=OLD), management=Management(lambda c: Answer.THROTTLED))
    room.delivery._random = lambda: random
    assert room.broadcast().counts == {Outcome.THROTTLED: 1}
    assert 18 <= (room.clock.now - NOON).total_seconds() <= 22
    assert max(room.pauses) <= 2
    assert room.delivery.send(ENDPOINT, "one=", FRAME, room.clock.now) is Answer.THROTTLED
    assert 36 <= (room.clock.now - NOON).total_seconds() <= 44
    assert room.store.find_connection("one=") is not None


def test_a_failure_is_reported_and_not_tried_again_and_its_row_stays() -> None:
    room = Room(connection("s", connected_at=OLD), management=Management(lambda c: Answer.FAILED))
    assert room.broadcast().counts == {Outcome.FAILED: 1}
    assert len(room.management.posts) == 1
    assert room.store.find_connection("one=") is not None


@pytest.mark.parametrize(("again", "outcome"), [(Answer.DONE, Outcome.SENT), (Answer.BROKEN, Outcome.FAILED)])
def test_what_hung_or_was_answered_5xx_is_tried_once_more_after_all_others(again: Answer, outcome: Outcome) -> None:
    answers = iter([Answer.BROKEN, again])
    room = Room(*members(3), management=Management(lambda c: next(answers) if c == "000=" else Answer.DONE))
    assert room.broadcast()[outcome] == (3 if outcome is Outcome.SENT else 1)
    assert sorted(to for to, _ in room.management.posts[:3]) == ["000=", "001=", "002="]
    assert [to for to, _ in room.management.posts[3:]] == ["000="]
    assert room.management.patience == [FIRST] * 3 + [AGAIN]
    assert room.pauses == []


def test_what_broke_is_tried_again_on_a_single_connection_too() -> None:
    answers = iter([Answer.BROKEN, Answer.DONE])
    room = Room(management=Management(lambda c: next(answers)))
    assert room.delivery.send(ENDPOINT, "x=", FRAME, NOON) is Answer.DONE
    assert room.management.patience == [FIRST, AGAIN]
    room.management.answer = lambda c: Answer.BROKEN
    assert room.delivery.send(ENDPOINT, "x=", FRAME, NOON - timedelta(seconds=20)) is Answer.BROKEN
    assert room.management.patience == [FIRST, AGAIN, FIRST], "once only, after the deadline"


def test_what_broke_and_is_throttled_then_is_tried_on_and_does_not_break_a_second_time() -> None:
    answers = iter([Answer.THROTTLED, Answer.BROKEN, Answer.THROTTLED, Answer.DONE])
    room = Room(management=Management(lambda c: next(answers)))
    assert room.delivery.send(ENDPOINT, "x=", FRAME, NOON) is Answer.DONE
    assert room.management.patience == [FIRST, FIRST, AGAIN, AGAIN]
    answers = iter([Answer.BROKEN, Answer.THROTTLED, Answer.BROKEN])
    assert room.delivery.send(ENDPOINT, "x=", FRAME, room.clock.now) is Answer.BROKEN


def test_a_close_that_broke_is_tried_again_without_its_frame() -> None:
    answers = iter([Answer.DONE, Answer.BROKEN, Answer.DONE])
    room = Room(connection("s"), management=Management(lambda c: next(answers)))
    assert room.broadcast(close=True).counts == {Outcome.SENT: 1}
    assert (len(room.management.posts), len(room.management.closes)) == (1, 2)


def test_a_socket_that_hangs_is_closed_when_its_frame_was_tried_twice() -> None:
    answers = iter([Answer.BROKEN, Answer.BROKEN, Answer.DONE])
    room = Room(connection("s"), management=Management(lambda c: next(answers)))
    assert room.broadcast(close=True).counts == {Outcome.SENT: 1}
    assert (len(room.management.posts), len(room.management.closes)) == (2, 1)


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("error", [InvalidRegionError(region_name="no region"), KeyError("x"), RuntimeError("full")])
def test_whatever_is_raised_for_one_recipient_is_its_own_outcome(
    error: Exception, close: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(connection_id: str) -> Answer:
        if connection_id == "001=":
            raise error
        return Answer.DONE

    room = Room(*members(5), roster=Pages(), management=Management(answer))
    assert room.broadcast(close=close).counts == {Outcome.SENT: 4, Outcome.FAILED: 1}
    assert caplog.messages.count("a call to the management API failed") == 1 + close
    assert room.delivery.send(ENDPOINT, "001=", FRAME, NOON) is Answer.FAILED


# --- many that hang, in simulated time


class Workers(Executor):
    """A pool in simulated time: each of its workers has a time of its own, and the one that is free first goes on."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **unused: Any) -> Iterator[Any]:
        free = [self.clock.now] * WORKERS
        results = []
        for args in zip(*iterables, strict=True):
            first = min(range(WORKERS), key=free.__getitem__)
            self.clock.now = free[first]
            results.append(fn(*args))
            free[first] = self.clock.now
        self.clock.now = max(free)
        return iter(results)


@dataclass
class Slow(Management):
    """Hangs for three seconds for some connections, and answers the others in ten milliseconds."""

    clock: Clock = field(default_factory=Clock)
    hanging: frozenset[str] = frozenset()
    throttled: frozenset[str] = frozenset()

    def post(self, endpoint: Endpoint, connection_id: str, text: str, within: float) -> Answer:
        return self._takes(connection_id, within)

    def close(self, endpoint: Endpoint, connection_id: str, within: float) -> Answer:
        return self._takes(connection_id, within)

    def _takes(self, connection_id: str, within: float) -> Answer:
        takes = 3.0 if connection_id in self.hanging else 0.01
        self.clock.advance(seconds=min(takes, within))
        if connection_id in self.throttled and self.clock.now < NOON + timedelta(seconds=12):
            return Answer.THROTTLED
        return Answer.DONE if takes <= within else Answer.BROKEN


@pytest.mark.parametrize("first", ["hanging first", "healthy first", "mixed"])
@pytest.mark.parametrize("close", [False, True])
def test_recipients_that_hang_leave_no_healthy_one_unsent(first: str, close: bool) -> None:
    everybody = members(300)
    places = {"hanging first": range(130), "healthy first": range(170, 300), "mixed": range(0, 260, 2)}[first]
    slow = Slow(hanging=frozenset(everybody[i].connection_id for i in places))
    store = MemoryStore()
    for one in everybody:
        store.connect(one)
    deliver = Delivery(store, slow, clock=slow.clock, random=lambda: 0.5, executor=Workers(slow.clock))
    report = deliver.broadcast("s", FRAME, began=NOON, close=close)
    assert report.counts == {Outcome.SENT: 170, Outcome.FAILED: 130}
    assert slow.clock.now - NOON < timedelta(seconds=26), "what a function has"


def test_the_throttled_are_not_kept_waiting_by_those_that_hang() -> None:
    slow = Slow(
        hanging=frozenset(f"{i:03d}=" for i in range(130)), throttled=frozenset(f"{i:03d}=" for i in range(130, 300))
    )
    store = MemoryStore()
    for one in members(300):
        store.connect(one)
    deliver = Delivery(
        store,
        slow,
        clock=slow.clock,
        random=lambda: 0.5,
        pause=slow.clock.sleep,
        executor=Workers(slow.clock),
    )
    assert deliver.broadcast("s", FRAME, began=NOON).counts == {Outcome.SENT: 170, Outcome.FAILED: 130}


def test_a_close_that_is_throttled_is_tried_again() -> None:
    answers = iter([Answer.DONE, Answer.THROTTLED, Answer.DONE])
    room = Room(connection("s"), management=Management(lambda c: next(answers)))
    assert room.broadcast(close=True).counts == {Outcome.SENT: 1}
    assert room.management.closes == ["one=", "one="]


def test_nothing_is_tried_again_after_the_deadline() -> None:
    room = Room(connection("s"))

    def throttled(connection_id: str) -> Answer:
        room.clock.advance(seconds=20)
        return Answer.THROTTLED

    room.management.answer = throttled
    assert room.broadcast().counts == {Outcome.THROTTLED: 1}
    assert len(room.management.posts) == 1


def test_what_a_delivery_missed_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger(logs.NAME)
    monkeypatch.setattr(logger, "propagate", True)  # Chalice switches it off for the app's logger
    caplog.set_level("WARNING", logger.name)
    Room(connection("s"), management=Management(lambda c: Answer.FAILED)).broadcast()
    assert vars(caplog.records[0])["deliveries"] == {"failed": 1}
    caplog.clear()
    Room(connection("s")).broadcast()
    assert caplog.text == ""


def test_a_connection_with_an_expired_token_is_told_and_closed_instead() -> None:
    room = Room(connection("s", "old=", token_expires_at=NOON - timedelta(seconds=10)), connection("s", "new="))
    assert room.broadcast().counts == {Outcome.EXPIRED: 1, Outcome.SENT: 1}
    sent = dict(room.management.posts)
    assert json.loads(sent["old="])["type"] == "closing"
    assert json.loads(sent["new="])["type"] == "message"
    assert room.management.closes == ["old="]


def test_an_end_is_sent_and_then_closed() -> None:
    room = Room(connection("s", "a="), connection("s", "b=", token_expires_at=NOON - timedelta(seconds=10)))
    assert room.broadcast(close=True).counts == {Outcome.SENT: 2}
    assert {json.loads(text)["type"] for _, text in room.management.posts} == {"message"}
    assert sorted(room.management.closes) == ["a=", "b="]


def test_a_socket_is_closed_even_if_its_last_frame_could_not_be_sent() -> None:
    room = Room(connection("s"), management=Management(lambda c: Answer.FAILED))
    room.broadcast(close=True)
    assert room.management.closes == ["one="]


def test_what_the_deadline_leaves_is_reported_as_unsent() -> None:
    room = Room(*members(6))
    room.clock.advance(seconds=20)
    assert room.broadcast().counts == {Outcome.UNSENT: 6}
    assert room.management.posts == []


class Pages(MemoryStore):
    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        for page in super().roster(session_id):
            yield from ([one] for one in page)


def test_every_page_of_the_roster_is_delivered_to() -> None:
    assert Room(*members(5), roster=Pages()).broadcast().recipients == 5


class Forgetful(MemoryStore):
    def disconnect(self, *recipients: Recipient) -> None:
        raise errors.Unavailable("The database")


def test_rows_that_cannot_be_removed_now_do_not_fail_the_delivery() -> None:
    room = Room(connection("s", connected_at=OLD), management=Management(lambda c: Answer.GONE), roster=Forgetful())
    assert room.broadcast().counts == {Outcome.GONE: 1}


def test_one_frame_to_one_connection() -> None:
    room = Room()
    assert room.delivery.send(ENDPOINT, "x=", FRAME, NOON) is Answer.DONE
    assert room.delivery.close(ENDPOINT, "y=", FRAME, NOON) is Answer.DONE
    assert ([to for to, _ in room.management.posts], room.management.closes) == (["x=", "y="], ["y="])


class Measured:
    def __init__(self) -> None:
        self.values: list[tuple[str, float, str]] = []

    def __call__(self, metric: Metric, value: float = 1.0, by: str = "") -> None:
        self.values.append((metric.name, value, by))


def test_a_delivery_is_measured_by_what_became_of_its_recipients_and_by_its_time() -> None:
    deliver, measured, times = Deliveries(report=Report({Outcome.SENT: 3, Outcome.GONE: 1})), Measured(), iter([10, 12])
    report = MeasuredDelivery(deliver, measured, lambda: next(times)).broadcast(
        "s", {"type": "message"}, began=NOON, but="one=", close=True
    )
    assert report is deliver.report
    assert (deliver.frames, deliver.but, deliver.closed) == ([{"type": "message"}], ["one="], ["s"])
    assert measured.values == [("DeliveryLatency", 2000, ""), ("DeliveriesSent", 3, ""), ("DeliveriesGone", 1, "")]


def test_a_delivery_without_a_roster_is_not_measured() -> None:
    class Broken(Deliveries):
        def broadcast(self, *args: object, **kwargs: object) -> Report:
            raise Unavailable("A table")

    measured = Measured()
    with pytest.raises(Unavailable):
        MeasuredDelivery(Broken(), measured, lambda: 0).broadcast("s", {}, began=NOON)
    assert measured.values == []
