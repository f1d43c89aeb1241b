"""What waits in an app's queues, topics and streams, or is scheduled, given to its functions when a test says so.

Knows no emulator.

As on AWS an event can be delivered again: what a function did not take waits for the next call of `deliver`.
Sources: "Using Lambda with Amazon SQS", "… with Amazon SNS", "… with DynamoDB Streams" and "How Lambda handles errors
and retries with asynchronous invocation" in the Lambda developer guide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_sessionplugin.errors import SessionPluginError, UnknownName

ATTEMPTS = 3
"""How often Lambda runs a function for a notification before it drops it: once, and two retries."""

ENOUGH = 1000
"""Events in one call of `deliver`: an app that goes on sending itself messages would never be done."""

Record = Mapping[str, Any]
"""One of the `Records` of an event, as the function gets it."""


@dataclass(frozen=True)
class Queue:
    """An SQS queue of which a function takes messages."""

    function: str
    name: str
    batch_size: int


@dataclass(frozen=True)
class Topic:
    """An SNS topic whose notifications go to a function, one at a time."""

    function: str
    name: str


@dataclass(frozen=True)
class Stream:
    """A DynamoDB table whose changes go to a function."""

    function: str
    table: str  # as DynamoDB names it
    batch_size: int
    from_horizon: bool  # TRIM_HORIZON: with the rows of the seed; LATEST: from the test on


Source = Queue | Topic | Stream


class Waiting(Protocol):
    """What waits, as an emulated AWS tells it."""

    def take(self, queue: str, most: int) -> list[Record]:
        """Messages that nobody else gets until they are put back; nothing if there is no such queue."""

    def delete(self, queue: str, records: Sequence[Record]) -> None: ...

    def put_back(self, queue: str, records: Sequence[Record]) -> None: ...

    def notifications(self, topic: str) -> list[Record]:
        """All of the test, in order; nothing if there is no such topic."""

    def changes(self, table: str) -> list[Record]:
        """All since the table was created, in order; nothing if it has no stream."""

    def changes_of_seed(self, table: str) -> Collection[str]:
        """The `eventID` of those that were there when the test began."""


@dataclass(frozen=True)
class DeliveredEvent:
    """An event that a function got, and what it raised."""

    function: str
    event: Mapping[str, Any] = field(repr=False)
    error: Exception | None = None


class EventSources:
    """The event sources of one app, for one test."""

    def __init__(
        self,
        sources: Sequence[Source],
        waiting: Waiting,
        invoke: Callable[[str, Any], Any],
        scheduled: Sequence[str] = (),
        event_of: Callable[[str], Mapping[str, Any]] = lambda function: {},
    ) -> None:
        """`scheduled` are the functions with a schedule, `event_of` what the rule of one sends it now."""
        self._sources = sources
        self._waiting = waiting
        self._invoke = invoke
        self._scheduled, self._event_of = scheduled, event_of
        # By id, not by number: a topic or table may be deleted and made anew.
        self._given: dict[Source, set[str]] = {}
        self._retries: dict[Topic, list[tuple[Record, int]]] = {}  # with how often each was tried

    def deliver(self, schedules: bool | str | Collection[str] = False) -> list[DeliveredEvent]:
        """Runs the functions until nothing is left that this call has not tried, in order at each source; before that
        those whose `schedules` are asked for, once: all, or these.

        What a function raises is told by the report. Raises SessionPluginError after a thousand events, and
        UnknownName for a function without a schedule.
        """
        due = self._asked_for(schedules)
        delivered = [self._run(function, self._event_of(function)) for function in due]
        tried = _Tried()
        try:
            while len(delivered) < ENOUGH:
                before = len(delivered)
                for source in self._sources:
                    delivered += self._from(source, tried)
                if len(delivered) == before:
                    return delivered
        finally:
            for queue, records in tried.failed:
                self._waiting.put_back(queue.name, records)
        raise SessionPluginError(
            f"after {ENOUGH} events there are still more, of {delivered[-1].function} among others: "
            "does a function send its own messages on for ever?"
        )

    def _asked_for(self, schedules: bool | str | Collection[str]) -> Sequence[str]:
        if isinstance(schedules, bool):
            return self._scheduled if schedules else ()
        names = (schedules,) if isinstance(schedules, str) else tuple(schedules)
        for name in names:
            if name not in self._scheduled:
                raise UnknownName("function with a schedule named", name, self._scheduled)
        return names

    def _from(self, source: Source, tried: _Tried) -> Iterator[DeliveredEvent]:
        if isinstance(source, Queue):
            return self._from_queue(source, tried)
        if isinstance(source, Topic):
            return self._from_topic(source, tried)
        return self._from_stream(source, tried)

    def _from_queue(self, queue: Queue, tried: _Tried) -> Iterator[DeliveredEvent]:
        if records := self._waiting.take(queue.name, queue.batch_size):
            event = self._run(queue.function, {"Records": records})
            if event.error is None:
                self._waiting.delete(queue.name, records)
            else:
                tried.failed.append((queue, records))
            yield event

    def _from_topic(self, topic: Topic, tried: _Tried) -> Iterator[DeliveredEvent]:
        given = self._given.setdefault(topic, set())
        new = [
            (record, 0) for record in self._waiting.notifications(topic.name) if record["Sns"]["MessageId"] not in given
        ]
        given.update(record["Sns"]["MessageId"] for record, _ in new)
        again = [] if topic in tried.sources else self._retries.pop(topic, [])
        tried.sources.add(topic)
        for record, attempts in (*again, *new):
            event = self._run(topic.function, {"Records": [record]})
            if event.error is not None and attempts + 1 < ATTEMPTS:
                self._retries.setdefault(topic, []).append((record, attempts + 1))
            yield event

    def _from_stream(self, stream: Stream, tried: _Tried) -> Iterator[DeliveredEvent]:
        if stream in tried.sources:
            return  # a batch that fails holds up all that is behind it
        if stream not in self._given:
            self._given[stream] = set(() if stream.from_horizon else self._waiting.changes_of_seed(stream.table))
        given = self._given[stream]
        new = [record for record in self._waiting.changes(stream.table) if record["eventID"] not in given]
        if records := new[: stream.batch_size]:
            event = self._run(stream.function, {"Records": records})
            if event.error is None:
                given.update(record["eventID"] for record in records)
            else:
                tried.sources.add(stream)
            yield event

    def _run(self, function: str, event: Mapping[str, Any]) -> DeliveredEvent:
        try:
            self._invoke(function, event)
        except Exception as error:  # noqa: BLE001 - a function that fails is tried again, as on AWS
            return DeliveredEvent(function, event, error)
        return DeliveredEvent(function, event)


class _Tried:
    """What one call of `deliver` is not to try a second time."""

    def __init__(self) -> None:
        self.failed: list[tuple[Queue, Sequence[Record]]] = []
        self.sources: set[Source] = set()
