"""Delivers the events of an app's queues, topics, streams and schedules to its functions, when a test asks for it.

As on AWS an event is delivered again: one that a function failed on waits for the next call of `deliver`.
Sources: "Using Lambda with Amazon SQS", "… with Amazon SNS", "… with DynamoDB Streams" and "How Lambda handles errors
and retries with asynchronous invocation" in the Lambda developer guide.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_sessionplugin.errors import SessionPluginError, UnknownName

ATTEMPTS = 3
"""Runs of a function for one notification, two retries included, before Lambda drops it."""

ENOUGH = 1000
"""Most events in one call of `deliver`, which ends an app that sends itself messages for ever."""

Record = Mapping[str, Any]
"""One of the `Records` in the event of a function."""


@dataclass(frozen=True)
class Queue:
    """An SQS queue that triggers a function."""

    function: str
    name: str
    batch_size: int

    def __str__(self) -> str:
        return f"queue {self.name}"


@dataclass(frozen=True)
class Topic:
    """An SNS topic that triggers a function, one notification at a time."""

    function: str
    name: str

    def __str__(self) -> str:
        return f"topic {self.name}"


@dataclass(frozen=True)
class Stream:
    """A DynamoDB stream that triggers a function."""

    function: str
    table: str  # its name in DynamoDB
    batch_size: int
    from_horizon: bool  # TRIM_HORIZON includes the seed; LATEST begins with the test

    def __str__(self) -> str:
        return f"stream of the table {self.table}"


Source = Queue | Topic | Stream


class Waiting(Protocol):
    """Pending events in an emulated AWS."""

    def take(self, queue: str, most: int) -> list[Record]:
        """Takes messages off a queue, to be deleted or put back; empty for an unknown queue."""

    def count(self, queue: str) -> int:
        """The messages that `take` would give; 0 for an unknown queue."""

    def delete(self, queue: str, records: Sequence[Record]) -> None: ...

    def put_back(self, queue: str, records: Sequence[Record]) -> None: ...

    def notifications(self, topic: str) -> list[Record]:
        """All notifications of the test, in order; empty for an unknown topic."""

    def changes(self, table: str) -> list[Record]:
        """All changes since the table was created, in order; empty if it has no stream."""

    def changes_of_seed(self, table: str) -> Collection[str]:
        """The `eventID` of each change before the test began."""


@dataclass(frozen=True)
class DeliveredEvent:
    """An event that a function got, and the exception that it raised."""

    function: str
    event: Mapping[str, Any] = field(repr=False)
    error: Exception | None = None


class EventSources:
    """The event sources of one app in one test."""

    def __init__(
        self,
        sources: Sequence[Source],
        waiting: Waiting,
        invoke: Callable[[str, Any], Any],
        scheduled: Sequence[str] = (),
        event_of: Callable[[str], Mapping[str, Any]] = lambda function: {},
    ) -> None:
        """`scheduled` are the functions with a schedule; `event_of` gives the event of a function's rule."""
        self._sources = sources
        self._waiting = waiting
        self._invoke = invoke
        self._scheduled, self._event_of = scheduled, event_of
        # By id, since a topic or a table may be deleted and created again.
        self._given: dict[Source, set[str]] = {}
        self._retries: dict[Topic, list[tuple[Record, int]]] = {}  # with the number of attempts

    def deliver(self, schedules: bool | str | Collection[str] = False) -> list[DeliveredEvent]:
        """Delivers each pending event once, in order at each source; first the `schedules`: all, or those named.

        The exceptions of functions are in the result. Raises SessionPluginError after a thousand events, and
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

    def pending(self) -> list[str]:
        """A few words on each source that has events: how many wait, where, and for which function."""
        counts = [(source, self._count(source)) for source in self._sources]
        return [
            f"{count} {'event waits' if count == 1 else 'events wait'} in the {source} for {source.function}"
            for source, count in counts
            if count
        ]

    def _count(self, source: Source) -> int:
        if isinstance(source, Queue):
            return self._waiting.count(source.name)
        if isinstance(source, Topic):
            return len(self._new_notifications(source)) + len(self._retries.get(source, ()))
        return len(self._new_changes(source))

    def _new_notifications(self, topic: Topic) -> list[Record]:
        given = self._given.get(topic, ())
        return [each for each in self._waiting.notifications(topic.name) if each["Sns"]["MessageId"] not in given]

    def _new_changes(self, stream: Stream) -> list[Record]:
        if stream not in self._given:
            self._given[stream] = set(() if stream.from_horizon else self._waiting.changes_of_seed(stream.table))
        return [each for each in self._waiting.changes(stream.table) if each["eventID"] not in self._given[stream]]

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
        new = [(record, 0) for record in self._new_notifications(topic)]
        self._given.setdefault(topic, set()).update(record["Sns"]["MessageId"] for record, _ in new)
        again = [] if topic in tried.sources else self._retries.pop(topic, [])
        tried.sources.add(topic)
        for record, attempts in (*again, *new):
            event = self._run(topic.function, {"Records": [record]})
            if event.error is not None and attempts + 1 < ATTEMPTS:
                self._retries.setdefault(topic, []).append((record, attempts + 1))
            yield event

    def _from_stream(self, stream: Stream, tried: _Tried) -> Iterator[DeliveredEvent]:
        if stream in tried.sources:
            return  # a batch that fails blocks those behind it
        if records := self._new_changes(stream)[: stream.batch_size]:
            event = self._run(stream.function, {"Records": records})
            if event.error is None:
                self._given[stream].update(record["eventID"] for record in records)
            else:
                tried.sources.add(stream)
            yield event

    def _run(self, function: str, event: Mapping[str, Any]) -> DeliveredEvent:
        try:
            self._invoke(function, event)
        except Exception as error:  # noqa: BLE001 - the event is delivered again, as on AWS
            return DeliveredEvent(function, event, error)
        return DeliveredEvent(function, event)


class _Tried:
    """Events and sources that one call of `deliver` has tried."""

    def __init__(self) -> None:
        self.failed: list[tuple[Queue, Sequence[Record]]] = []
        self.sources: set[Source] = set()
