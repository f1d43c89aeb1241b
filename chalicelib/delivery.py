"""Sends frames to connections through API Gateway's management API."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from chalicelib import frames, metrics
from chalicelib.errors import TokenExpired, Unavailable
from chalicelib.logs import log
from chalicelib.metrics import Measure
from chalicelib.model import Endpoint, Outcome, Recipient, Report
from chalicelib.sessions import Deliver

if TYPE_CHECKING:
    from types_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


WORKERS: Final = 16  # more threads gain nothing on the CPU share of a Lambda
DEADLINE: Final = timedelta(seconds=20)  # after the request began: nine seconds before API Gateway gives up
ATTEMPTS: Final = 3  # at a throttled recipient
BACK_OFF: Final = 0.1  # seconds, doubled for each attempt, times a random number below 1


class Answer(Enum):
    """The management API's answer to one call."""

    DONE = "done"
    GONE = "gone"  # 410
    THROTTLED = "throttled"  # 429
    FAILED = "failed"  # any other answer, or none in time


class Management(Protocol):
    """The management API of any WebSocket API. Returns what became of a connection, and never raises for it."""

    def post(self, endpoint: Endpoint, connection_id: str, text: str) -> Answer: ...

    def close(self, endpoint: Endpoint, connection_id: str) -> Answer: ...


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
        return self._patiently(lambda: self._management.post(endpoint, connection_id, text), began)

    def close(self, endpoint: Endpoint, connection_id: str, frame: frames.Frame, began: datetime) -> Answer:
        """Sends one connection a last frame and closes it, whatever became of the frame."""
        self.send(endpoint, connection_id, frame, began)
        return self._patiently(lambda: self._management.close(endpoint, connection_id), began)

    def broadcast(
        self, session_id: str, frame: frames.Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        """Sends a frame to all connections of a session `but` one, and closes them after it with `close`.

        A recipient whose token has expired is closed instead. One that is gone leaves the roster, unless it is so
        young that its handshake may be under way. A recipient whose turn comes later than 20 s after the request
        began is reported as unsent. Raises Unavailable if the roster cannot be read.
        """
        text = frames.text(frame)
        correlation_id = str(frame.get("correlationId", ""))

        def outcome(recipient: Recipient) -> Outcome:
            return self._deliver(recipient, text, began, close, correlation_id)

        counts: Counter[Outcome] = Counter()
        for page in self._roster.roster(session_id):
            recipients = [recipient for recipient in page if recipient.connection_id != but]
            contexts = [copy_context() for _ in recipients]  # for the log lines of the pool's threads
            outcomes = list(self._executor.map(lambda context, one: context.run(outcome, one), contexts, recipients))
            counts.update(outcomes)
            gone = [one for one, became in zip(recipients, outcomes, strict=True) if became is Outcome.GONE]
            self._forget(gone)
        if any(counts[outcome] for outcome in (Outcome.THROTTLED, Outcome.FAILED, Outcome.UNSENT)):
            missed = {outcome.value: count for outcome, count in counts.items()}
            log.warning("a delivery missed some", deliveries=missed)
        return Report(dict(counts))

    def _deliver(self, recipient: Recipient, text: str, began: datetime, close: bool, correlation_id: str) -> Outcome:
        if self._clock() - began >= DEADLINE:
            return Outcome.UNSENT
        endpoint, connection_id = recipient.endpoint, recipient.connection_id
        if recipient.expired_at(self._clock()) and not close:
            frame = frames.closing(TokenExpired(connection_id), correlation_id)
            answer = self.close(endpoint, connection_id, frame, began)
            return self._outcome(answer, recipient, Outcome.EXPIRED)
        answer = self._patiently(lambda: self._management.post(endpoint, connection_id, text), began)
        if close and answer is not Answer.GONE:
            answer = self._patiently(lambda: self._management.close(endpoint, connection_id), began)
        return self._outcome(answer, recipient, Outcome.SENT)

    def _outcome(self, answer: Answer, recipient: Recipient, done: Outcome) -> Outcome:
        if answer is Answer.GONE:
            return Outcome.PENDING if recipient.pending_at(self._clock()) else Outcome.GONE
        return {Answer.DONE: done, Answer.THROTTLED: Outcome.THROTTLED, Answer.FAILED: Outcome.FAILED}[answer]

    def _patiently(self, call: Callable[[], Answer], began: datetime) -> Answer:
        answer = call()
        for attempt in range(1, ATTEMPTS):
            if answer is not Answer.THROTTLED or self._clock() - began >= DEADLINE:
                break
            self._pause(BACK_OFF * 2**attempt * self._random())
            answer = call()
        return answer

    def _forget(self, gone: Sequence[Recipient]) -> None:
        """Removes their rows. If that fails, the next delivery or their expiry removes them."""
        with suppress(Unavailable):
            if gone:
                self._roster.disconnect(*gone)


class ManagementApi:
    """The management API by botocore, with one client per endpoint, made when it is first needed."""

    def __init__(self) -> None:
        self._clients: dict[Endpoint, ApiGatewayManagementApiClient] = {}
        self._lock = threading.Lock()

    def post(self, endpoint: Endpoint, connection_id: str, text: str) -> Answer:
        client = self._client(endpoint)
        data = text.encode("utf-8")
        return _answer(lambda: client.post_to_connection(ConnectionId=connection_id, Data=data))

    def close(self, endpoint: Endpoint, connection_id: str) -> Answer:
        client = self._client(endpoint)
        return _answer(lambda: client.delete_connection(ConnectionId=connection_id))

    def _client(self, endpoint: Endpoint) -> ApiGatewayManagementApiClient:
        with self._lock:
            if endpoint not in self._clients:
                self._clients[endpoint] = _management_client(endpoint)
            return self._clients[endpoint]


def _management_client(endpoint: Endpoint) -> ApiGatewayManagementApiClient:
    from botocore.config import Config
    from botocore.session import get_session

    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    suffix = "amazonaws.com.cn" if endpoint.region.startswith("cn-") else "amazonaws.com"
    host = f"{endpoint.api_id}.execute-api.{endpoint.region}.{suffix}"
    client: Any = get_session().create_client(
        "apigatewaymanagementapi",
        region_name=endpoint.region,
        endpoint_url=f"https://{host}/{endpoint.stage}",
        config=Config(
            connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1}, max_pool_connections=WORKERS
        ),
    )
    return cast("ApiGatewayManagementApiClient", client)


def _answer(call: Callable[[], object]) -> Answer:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        call()
    except ClientError as exc:
        status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
        return {410: Answer.GONE, 429: Answer.THROTTLED}.get(status, Answer.FAILED)
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
        at = self.monotonic()
        report = self.deliver.broadcast(session_id, frame, began=began, but=but, close=close)
        self.measure(metrics.DELIVERY_LATENCY, (self.monotonic() - at) * 1000)
        for outcome, count in report.counts.items():
            self.measure(metrics.DELIVERIES[outcome], count)
        return report
