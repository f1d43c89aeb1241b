"""Sends frames to connections through API Gateway's management API."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from chalicelib import frames, metrics
from chalicelib.errors import TokenExpired, Unavailable
from chalicelib.logs import log
from chalicelib.members import Endpoint, Recipient
from chalicelib.metrics import Measure
from chalicelib.model import Outcome, Report
from chalicelib.sessions import Deliver

if TYPE_CHECKING:
    from types_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


WORKERS: Final = 16  # more threads gain nothing on the CPU share of a Lambda
DEADLINE: Final = timedelta(seconds=20)  # after the request began: nine seconds before API Gateway gives up
FIRST: Final = 0.5  # seconds for a first try: a recipient that hangs must not keep the others waiting
AGAIN: Final = 2.0  # seconds for a second one, after everybody's first
BACK_OFFS: Final = (0.2, 0.4, 0.8, 1.6, *(2.0,) * 18)
"""Seconds before a throttled recipient is tried again, made up to half shorter at random. Together they last until the
deadline at least."""


class Answer(Enum):
    """The management API's answer to one call."""

    DONE = "done"
    GONE = "gone"  # 410
    THROTTLED = "throttled"  # 429
    BROKEN = "broken"  # 5xx, or none in time
    FAILED = "failed"  # any other


class Management(Protocol):
    """The management API of any WebSocket API. Returns what became of a connection `within` so many seconds."""

    def post(self, endpoint: Endpoint, connection_id: str, text: str, within: float) -> Answer: ...

    def close(self, endpoint: Endpoint, connection_id: str, within: float) -> Answer: ...


@dataclass(frozen=True)
class Turn:
    """The rest of a delivery for one recipient: send it the text, unless it has it, then close it if it is to be."""

    recipient: Recipient
    text: str | None
    close: bool
    done: Outcome  # if all is done
    otherwise: Outcome = Outcome.UNSENT  # if the deadline comes first

    @property
    def within(self) -> float:
        """Seconds for each call."""
        return AGAIN if self.otherwise is Outcome.FAILED else FIRST


class Roster(Protocol):
    """The connections of a session."""

    def roster(self, session_id: str) -> Iterator[Sequence[Recipient]]:
        """The session's connections, page by page, by strongly consistent reads. Raises Unavailable."""

    def disconnect(self, *recipients: Recipient) -> None:
        """Removes both copies of each. Raises Unavailable."""


class Delivery:
    """Sends frames, many at a time, and reports the outcomes. May be used by several threads at once."""

    def __init__(
        self,
        roster: Roster,
        management: Management,
        *,
        clock: Callable[[], datetime],
        random: Callable[[], float],
        pause: Callable[[float], None] = time.sleep,
        executor: Executor | None = None,
    ) -> None:
        self._roster = roster
        self._management = management
        self._clock = clock
        self._random = random
        self._pause = pause
        self._executor = executor or ThreadPoolExecutor(WORKERS, thread_name_prefix="delivery")

    def send(self, endpoint: Endpoint, connection_id: str, frame: frames.Frame, began: datetime) -> Answer:
        """Sends a frame to one connection."""
        text = frames.text(frame)
        return self._insist(lambda within: self._management.post(endpoint, connection_id, text, within), began)

    def close(self, endpoint: Endpoint, connection_id: str, frame: frames.Frame, began: datetime) -> Answer:
        """Sends one connection a last frame and closes it, whatever became of the frame."""
        self.send(endpoint, connection_id, frame, began)
        return self._insist(lambda within: self._management.close(endpoint, connection_id, within), began)

    def broadcast(
        self, session_id: str, frame: frames.Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        """Sends a frame to all connections of a session `but` one, and closes them after it with `close`.

        A recipient whose token has expired is closed instead. One that is gone leaves the roster, unless it is so
        young that its handshake may be under way. One that hangs or is answered 5xx is tried once more after all
        others, one that is throttled until 20 s after the request began; one whose turn comes later is reported as
        unsent. Raises Unavailable if the roster cannot be read.
        """
        others = ([one for one in page if one.connection_id != but] for page in self._roster.roster(session_id))
        return self._deliver(others, frame, began, close)

    def tell(
        self, recipients: Sequence[Recipient], frame: frames.Frame, *, began: datetime, close: bool = False
    ) -> Report:
        """Like `broadcast`, to these recipients."""
        return self._deliver([recipients], frame, began, close)

    def _deliver(
        self, pages: Iterable[Sequence[Recipient]], frame: frames.Frame, began: datetime, close: bool
    ) -> Report:
        text = frames.text(frame)
        correlation_id = str(frame.get("correlationId", ""))
        counts: Counter[Outcome] = Counter()
        gone: list[Recipient] = []
        left: list[Turn] = []
        for page in pages:
            left += self._take([self._turn(one, text, close, correlation_id) for one in page], began, counts, gone)
        for longest in BACK_OFFS:
            throttled = [turn for turn in left if turn.otherwise is Outcome.THROTTLED]
            broken = [turn for turn in left if turn.otherwise is Outcome.FAILED]
            if not left:
                break
            if throttled:
                self._pause(self._shortened(longest))
            some = WORKERS if throttled else len(broken)  # the throttled do not wait for all that may hang again
            left = self._take([*throttled, *broken[:some]], began, counts, gone) + broken[some:]
        counts.update(turn.otherwise for turn in left)
        report = Report(dict(counts), tuple(gone))
        if report.missed:
            missed = {outcome.value: count for outcome, count in counts.items()}
            log.warning("a delivery missed some", deliveries=missed)
        return report

    def _turn(self, recipient: Recipient, text: str, close: bool, correlation_id: str) -> Turn:
        if recipient.expired_at(self._clock()) and not close:
            last = frames.closing(TokenExpired(recipient.connection_id), correlation_id)
            return Turn(recipient, frames.text(last), close=True, done=Outcome.EXPIRED)
        return Turn(recipient, text, close, done=Outcome.SENT)

    def _take(
        self, turns: Sequence[Turn], began: datetime, counts: Counter[Outcome], gone: list[Recipient]
    ) -> list[Turn]:
        """Tries each turn once, counts the outcomes, collects who is gone, and returns the turns that are to be tried
        again."""

        def attempt(turn: Turn) -> Outcome | Turn:
            return turn.otherwise if self._clock() - began >= DEADLINE else self._attempt(turn)

        contexts = [copy_context() for _ in turns]  # for the log lines of the pool's threads
        results = list(self._executor.map(lambda context, turn: context.run(attempt, turn), contexts, turns))
        counts.update(result for result in results if isinstance(result, Outcome))
        found = [turn.recipient for turn, one in zip(turns, results, strict=True) if one is Outcome.GONE]
        self._forget(found)
        gone += found
        return [result for result in results if isinstance(result, Turn)]

    def _attempt(self, turn: Turn) -> Outcome | Turn:
        """Its outcome, or what is left of it for another try."""
        recipient, last = turn.recipient, turn.otherwise is Outcome.FAILED
        at, answer = (recipient.endpoint, recipient.connection_id), Answer.DONE
        if turn.text is not None:
            text = turn.text
            answer = _answered(lambda: self._management.post(*at, text, turn.within))
            turn = replace(turn, text=None) if answer is Answer.DONE else turn
        if turn.close and (answer in (Answer.DONE, Answer.FAILED) or (answer is Answer.BROKEN and last)):
            answer = _answered(lambda: self._management.close(*at, turn.within))
        if answer is Answer.GONE:
            return Outcome.PENDING if recipient.pending_at(self._clock()) else Outcome.GONE
        if answer is Answer.THROTTLED:
            return replace(turn, otherwise=Outcome.THROTTLED)
        if answer is Answer.BROKEN and not last:
            return replace(turn, otherwise=Outcome.FAILED)
        return turn.done if answer is Answer.DONE else Outcome.FAILED

    def _insist(self, call: Callable[[float], Answer], began: datetime) -> Answer:
        within = FIRST
        answer = _answered(partial(call, within))
        for longest in BACK_OFFS:
            if self._clock() - began >= DEADLINE:
                break
            if answer is Answer.THROTTLED:
                self._pause(self._shortened(longest))
            elif answer is Answer.BROKEN and within == FIRST:
                within = AGAIN
            else:
                break
            answer = _answered(partial(call, within))
        return answer

    def _shortened(self, longest: float) -> float:
        return longest * (1 - self._random() / 2)

    def _forget(self, gone: Sequence[Recipient]) -> None:
        """Removes their rows. If that fails, the next delivery or their expiry removes them."""
        with suppress(Unavailable):
            if gone:
                self._roster.disconnect(*gone)


def _answered(call: Callable[[], Answer]) -> Answer:
    """One recipient's failure, whatever is raised, must not touch the others."""
    try:
        return call()
    except Exception:  # noqa: BLE001  the management API never raises for a connection: this is a bug, or a broken row
        log.exception("a call to the management API failed")
        return Answer.FAILED


class ManagementApi:
    """The management API by botocore, with a client for each endpoint and patience, made when it is first needed."""

    def __init__(self) -> None:
        self._clients: dict[tuple[Endpoint, float], ApiGatewayManagementApiClient] = {}
        self._lock = threading.Lock()

    def post(self, endpoint: Endpoint, connection_id: str, text: str, within: float) -> Answer:
        client = self._client(endpoint, within)
        data = text.encode("utf-8")
        return _answer(lambda: client.post_to_connection(ConnectionId=connection_id, Data=data))

    def close(self, endpoint: Endpoint, connection_id: str, within: float) -> Answer:
        client = self._client(endpoint, within)
        return _answer(lambda: client.delete_connection(ConnectionId=connection_id))

    def _client(self, endpoint: Endpoint, within: float) -> ApiGatewayManagementApiClient:
        with self._lock:
            if (endpoint, within) not in self._clients:
                self._clients[endpoint, within] = _management_client(endpoint, within)
            return self._clients[endpoint, within]


def _management_client(endpoint: Endpoint, within: float) -> ApiGatewayManagementApiClient:
    from botocore.config import Config
    from botocore.session import get_session

    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    suffix = "amazonaws.com.cn" if endpoint.region.startswith("cn-") else "amazonaws.com"
    host = f"{endpoint.api_id}.execute-api.{endpoint.region}.{suffix}"
    connect = 0.4 * within  # botocore has no time-out of the whole; a kept connection has only to be read
    client: Any = get_session().create_client(
        "apigatewaymanagementapi",
        region_name=endpoint.region,
        endpoint_url=f"https://{host}/{endpoint.stage}",
        config=Config(
            connect_timeout=connect,
            read_timeout=within - connect,
            retries={"total_max_attempts": 1},
            max_pool_connections=WORKERS,
        ),
    )
    return cast("ApiGatewayManagementApiClient", client)


def _answer(call: Callable[[], object]) -> Answer:
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    try:
        call()
    except ClientError as exc:
        status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
        known = {410: Answer.GONE, 429: Answer.THROTTLED}
        return known.get(status, Answer.BROKEN if status >= 500 else Answer.FAILED)
    except (ConnectionError, HTTPClientError):
        return Answer.BROKEN
    except BotoCoreError:
        return Answer.FAILED
    return Answer.DONE


@dataclass(frozen=True)
class MeasuredDelivery:
    """A `Deliver` that measures its deliveries; `monotonic` gives seconds."""

    deliver: Deliver
    measure: Measure
    monotonic: Callable[[], float]

    def broadcast(
        self, session_id: str, frame: frames.Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        return self._measured(lambda: self.deliver.broadcast(session_id, frame, began=began, but=but, close=close))

    def tell(
        self, recipients: Sequence[Recipient], frame: frames.Frame, *, began: datetime, close: bool = False
    ) -> Report:
        return self._measured(lambda: self.deliver.tell(recipients, frame, began=began, close=close))

    def _measured(self, delivery: Callable[[], Report]) -> Report:
        at = self.monotonic()
        report = delivery()
        self.measure(metrics.DELIVERY_LATENCY, (self.monotonic() - at) * 1000)
        for outcome, count in report.counts.items():
            self.measure(metrics.DELIVERIES[outcome], count)
        return report
