"""Queues, topics and streams deliver their events until functions have taken them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_sessionplugin.errors import SessionPluginError, UnknownName
from pytest_sessionplugin.lambdas.event_sources import EventSources, Queue, Record, Source, Stream, Topic

ORDERS = Queue("ship", "orders", batch_size=2)
NEWS = Topic("read", "news")
ROOMS = Stream("index", "rooms", batch_size=2, from_horizon=False)


class Waiting:
    """Pending events, in lists."""

    def __init__(self) -> None:
        self.queues: dict[str, list[Record]] = {}
        self.topics: dict[str, list[Record]] = {}
        self.tables: dict[str, list[Record]] = {}
        self.seeded: list[str] = []

    def take(self, queue: str, most: int) -> list[Record]:
        waiting = self.queues.get(queue, [])
        taken, self.queues[queue] = waiting[:most], waiting[most:]
        return taken

    def count(self, queue: str) -> int:
        return len(self.queues.get(queue, []))

    def delete(self, queue: str, records: Sequence[Record]) -> None:
        pass

    def put_back(self, queue: str, records: Sequence[Record]) -> None:
        self.queues[queue] += records

    def notifications(self, topic: str) -> list[Record]:
        return self.topics.get(topic, [])

    def changes(self, table: str) -> list[Record]:
        return self.tables.get(table, [])

    def changes_of_seed(self, table: str) -> list[str]:
        return self.seeded


class Functions:
    """Records the calls, and raises on the records in `refused`."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[Any]]] = []
        self.refused: set[Any] = set()

    def __call__(self, function: str, event: Any) -> None:
        numbers = [record["n"] for record in event["Records"]]
        self.got.append((function, numbers))
        if self.refused & set(numbers):
            raise ZeroDivisionError("a bug")


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def functions() -> Functions:
    return Functions()


def sources(waiting: Waiting, functions: Functions, *all_of_them: Source) -> EventSources:
    return EventSources(all_of_them, waiting, functions)


def records(*numbers: int) -> list[Record]:
    return [{"n": number, "eventID": f"{number}", "Sns": {"MessageId": f"{number}"}} for number in numbers]


def test_messages_come_in_batches_and_only_once(waiting: Waiting, functions: Functions) -> None:
    waiting.queues["orders"] = records(1, 2, 3)
    events = sources(waiting, functions, ORDERS)
    assert [event.function for event in events.deliver()] == ["ship", "ship"]
    assert events.deliver() == []
    assert functions.got == [("ship", [1, 2]), ("ship", [3])]


def test_a_message_that_fails_is_back_for_the_next_call_and_not_for_this_one(
    waiting: Waiting, functions: Functions
) -> None:
    waiting.queues["orders"] = records(1, 2, 3)
    functions.refused = {1}
    events = sources(waiting, functions, ORDERS)
    errors = [event.error for event in events.deliver()]
    assert isinstance(errors[0], ZeroDivisionError)
    assert errors[1:] == [None]
    functions.refused = set()
    events.deliver()
    assert functions.got == [("ship", [1, 2]), ("ship", [3]), ("ship", [1, 2])]


def test_a_notification_goes_alone_and_is_tried_three_times(waiting: Waiting, functions: Functions) -> None:
    waiting.topics["news"] = records(1, 2)
    functions.refused = {1}
    events = sources(waiting, functions, NEWS)
    given = [len(events.deliver()) for _ in range(4)]
    assert given == [2, 1, 1, 0]
    assert functions.got == [("read", [1]), ("read", [2]), ("read", [1]), ("read", [1])]


def test_a_stream_begins_after_the_seed_or_at_its_horizon(waiting: Waiting, functions: Functions) -> None:
    waiting.tables["rooms"] = records(1, 2, 3)
    waiting.seeded = ["1"]
    whole = Stream("copy", "rooms", batch_size=10, from_horizon=True)
    sources(waiting, functions, ROOMS, whole).deliver()
    assert functions.got == [("index", [2, 3]), ("copy", [1, 2, 3])]


def test_a_batch_of_a_stream_that_fails_holds_up_those_behind_it(waiting: Waiting, functions: Functions) -> None:
    waiting.tables["rooms"] = records(1, 2, 3)
    functions.refused = {2}
    events = sources(waiting, functions, ROOMS)
    events.deliver()
    functions.refused = set()
    events.deliver()
    assert functions.got == [("index", [1, 2]), ("index", [1, 2]), ("index", [3])]


def test_what_a_table_or_topic_that_is_made_anew_has_is_given_from_its_start(
    waiting: Waiting, functions: Functions
) -> None:
    waiting.tables["rooms"], waiting.topics["news"] = records(1, 2), records(3)
    events = sources(waiting, functions, ROOMS, NEWS)
    events.deliver()
    waiting.tables["rooms"], waiting.topics["news"] = records(4, 5), records(6)
    functions.got.clear()
    events.deliver()
    assert functions.got == [("index", [4, 5]), ("read", [6])]


def test_pending_events_are_counted_by_source_and_stay_where_they_are(waiting: Waiting, functions: Functions) -> None:
    waiting.queues["orders"], waiting.topics["news"], waiting.tables["rooms"] = records(1), records(2, 3), records(4, 5)
    waiting.seeded = ["4"]
    functions.refused = {3}
    events = sources(waiting, functions, ORDERS, NEWS, ROOMS, Queue("nobody", "empty", batch_size=1))
    assert events.pending() == [
        "1 event waits in the queue orders for ship",
        "2 events wait in the topic news for read",
        "1 event waits in the stream of the table rooms for index",
    ]
    assert functions.got == []
    assert len(events.deliver()) == 4
    assert events.pending() == ["1 event waits in the topic news for read"], "the one that failed"


def test_what_a_function_sends_on_is_delivered_in_the_same_call(waiting: Waiting, functions: Functions) -> None:
    waiting.topics["news"] = records(1)

    def invoke(function: str, event: Any) -> None:
        functions(function, event)
        if function == "read":
            waiting.queues["orders"] = records(7)

    assert len(EventSources([ORDERS, NEWS], waiting, invoke).deliver()) == 2
    assert functions.got == [("read", [1]), ("ship", [7])]


def test_messages_without_end_are_an_error_that_names_a_function(waiting: Waiting, functions: Functions) -> None:
    waiting.queues["orders"] = records(1)

    def invoke(function: str, event: Any) -> None:
        waiting.queues["orders"] += records(1)

    with pytest.raises(SessionPluginError, match="after 1000 events there are still more, of ship"):
        EventSources([ORDERS], waiting, invoke).deliver()


@pytest.mark.parametrize(
    ("asked", "run"),
    [(False, []), (True, ["sweep", "report"]), ("report", ["report"]), (["report", "sweep"], ["report", "sweep"])],
)
def test_schedules_run_when_they_are_asked_for_and_before_what_waits(asked: Any, run: list[str]) -> None:
    waiting, got = Waiting(), list[tuple[str, Any]]()

    def invoke(function: str, event: Any) -> None:
        got.append((function, event))
        if function == "report":
            raise ZeroDivisionError
        if function == "sweep":
            waiting.queues["orders"] = [{"n": 1}]

    sources = EventSources([ORDERS], waiting, invoke, ("sweep", "report"), lambda function: {"rule": function})
    delivered = sources.deliver(asked)
    ships = ["ship"] if "sweep" in run else []
    assert [event.function for event in delivered] == [*run, *ships] == [function for function, _ in got]
    assert [event.event for event in delivered[: len(run)]] == [{"rule": function} for function in run]
    assert [event.function for event in delivered if event.error] == [each for each in run if each == "report"]


def test_a_function_without_a_schedule_is_not_run_as_if_it_had_one() -> None:
    sources = EventSources([ORDERS], Waiting(), lambda function, event: None, ("sweep",))
    with pytest.raises(UnknownName, match="there is no function with a schedule named ship; there are: sweep"):
        sources.deliver("ship")
