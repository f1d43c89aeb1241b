from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from chalicelib import errors, logs
from chalicelib.delivery import Answer, Delivery, MeasuredDelivery
from chalicelib.errors import Unavailable
from chalicelib.memory import MemoryStore
from chalicelib.metrics import Metric
from chalicelib.model import Connection, Outcome, Recipient, Report
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
        self.delivery = Delivery(
            self.store, self.management, clock=self.clock, random=lambda: 0.5, pause=self.pauses.append
        )

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
    assert room.pauses == [0.1, 0.2], "half of 0.2 and of 0.4"


def test_a_recipient_that_stays_throttled_is_reported_and_stays() -> None:
    room = Room(connection("s", connected_at=OLD), management=Management(lambda c: Answer.THROTTLED))
    assert room.broadcast().counts == {Outcome.THROTTLED: 1}
    assert len(room.management.posts) == 3
    assert room.store.find_connection("one=") is not None


def test_a_failure_is_reported_and_not_tried_again_and_its_row_stays() -> None:
    room = Room(connection("s", connected_at=OLD), management=Management(lambda c: Answer.FAILED))
    assert room.broadcast().counts == {Outcome.FAILED: 1}
    assert len(room.management.posts) == 1
    assert room.store.find_connection("one=") is not None


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
    def roster(self, session_id: str) -> Iterator[Sequence[Recipient]]:
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
