"""Lambda proxy integration: pending invocations with their time-out, and results read as strictly as on AWS."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from pytest_sessionplugin.gateway.core.events import Event
from pytest_sessionplugin.gateway.core.notes import Malformed
from pytest_sessionplugin.gateway.values import MAX_EVENT, Effect, Headers, Ids, Invoke, Note, Returned

# "Output format of a Lambda function for proxy integration" in the developer guide; any other key
# at the top makes the output malformed (captures of real traffic).
_TOKEN = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # the name of a header: RFC 9110, 5.6.2
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS = re.compile(r"[0-9]{3}")  # no more digits: Python refuses to read thousands of them
_KEYS = frozenset({"isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body"})


@dataclass(frozen=True)
class ProxyResult:
    status: int
    headers: Headers = ()
    body: str = ""
    is_base64: bool = False

    def header(self, name: str) -> str | None:
        """The last value of a header, in any spelling of its name."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[-1] if values else None


class IntegrationFault(Enum):
    BROKEN = auto()  # it raised, was killed, or did not return a proxy result
    LATE = auto()  # it had not answered at the integration time-out


IntegrationResult = ProxyResult | IntegrationFault
"""The end of an invocation as its caller sees it."""


def read_answer(returned: Returned | None) -> IntegrationResult:
    """`returned` is None at the integration time-out."""
    if returned is None:
        return IntegrationFault.LATE
    return IntegrationFault.BROKEN if returned.error else read_result(returned.result)


def read_result(result: Any) -> IntegrationResult:
    """`result` is the function's output, read with json.loads."""
    if not isinstance(result, dict) or not _KEYS.issuperset(result):
        return IntegrationFault.BROKEN
    status = _status(result.get("statusCode"))
    headers = _headers(result.get("headers"), result.get("multiValueHeaders"))
    body = result.get("body")
    is_base64 = result.get("isBase64Encoded") or False
    if status is None or headers is None or not isinstance(body, (str, type(None))):
        return IntegrationFault.BROKEN
    if not isinstance(is_base64, bool):
        return IntegrationFault.BROKEN
    return ProxyResult(status, headers, body or "", is_base64)


def _status(value: Any) -> int | None:
    if isinstance(value, str) and _STATUS.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and 200 <= value <= 599:
        return value
    return None


def _headers(single: Any, multiple: Any) -> Headers | None:
    """Merges both maps; a pair in both is taken from `multiValueHeaders`."""
    single, multiple = ({} if each is None else each for each in (single, multiple))
    if not isinstance(single, Mapping) or not isinstance(multiple, Mapping):
        return None
    pairs: list[tuple[str, str]] = []
    for name, values in multiple.items():
        if not isinstance(values, list):
            return None
        pairs += [(name, value) for value in values]
    pairs += [(name, value) for name, value in single.items() if (name, value) not in pairs]
    texts = [(name, as_text(value)) for name, value in pairs]
    if any(value is None or not is_sendable(name, value) for name, value in texts):
        return None
    return tuple((name, value) for name, value in texts if value is not None)


def as_text(value: Any) -> str | None:
    """Text, a number or a boolean as JSON writes it; None for any other value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        return None
    try:
        return str(value)
    except ValueError:  # a number of thousands of digits
        return None


def is_sendable(name: str, value: str) -> bool:
    """Whether this header can be sent: its name is a token, its value has no control characters."""
    return _TOKEN.fullmatch(name) is not None and _CONTROL.search(value) is None


_Entry = TypeVar("_Entry")


def oldest(entries: OrderedDict[str, _Entry]) -> _Entry | None:
    return next(iter(entries.values()), None)


INTEGRATION_TIMEOUT = 29.0  # seconds

Settle = Callable[[Returned | None, float], None]
"""Called at the end of an invocation with the time; with None at the integration time-out."""

Answered = Callable[[IntegrationResult, float], None]
"""Like Settle, for a function that returns a proxy result."""

Emit = Callable[[Effect], None]
"""Takes effects in order."""

TakeNote = Callable[[Note], None]
"""Takes notes in order."""


@dataclass(slots=True)
class Running:
    """A pending invocation. `settle` is None after its caller got an answer, or if it has no caller."""

    started_at: float
    settle: Settle | None

    def end(self, returned: Returned | None, now: float) -> None:
        settle, self.settle = self.settle, None
        if settle is not None:
            settle(returned, now)


def is_too_large(event: Event, body: int) -> bool:
    """Whether an event is larger than Lambda takes. It is measured only if the body of its request is long."""
    if 6 * body + 256 * 1024 < MAX_EVENT:  # a byte has six in JSON at most
        return False
    return len(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_EVENT


class Invocations:
    def __init__(self, ids: Ids, emit: Emit, note: TakeNote) -> None:
        self._ids, self._emit, self._note = ids, emit, note
        self._running: dict[str, Running] = {}
        # All have the same time-out, so they fall due in the order in which they began.
        self._awaited: OrderedDict[str, Running] = OrderedDict()  # those with a waiting caller

    def ask(self, id: str, function: str, event: Event, now: float, answered: Answered) -> None:
        """Starts a function that returns a proxy result. `id`: of the request or connection that it is for."""

        def settle(returned: Returned | None, now: float) -> None:
            answer = read_answer(returned)
            if answer is IntegrationFault.BROKEN and returned is not None and returned.error is None:
                self._note(Malformed(id, function, returned.result))
            answered(answer, now)

        self.start(function, event, now, settle)

    def start(self, function: str, event: Event, now: float, settle: Settle | None) -> None:
        running, invocation_id = Running(now, settle), self._ids()
        self._running[invocation_id] = running
        if settle is not None:
            self._awaited[invocation_id] = running
        self._emit(Invoke(invocation_id, function, event))

    def returned(self, returned: Returned, now: float) -> None:
        """Raises LookupError for an unknown invocation."""
        running = self._running.pop(returned.invocation_id, None)
        if running is None:
            raise LookupError(f"invocation {returned.invocation_id} is not running")
        self._awaited.pop(returned.invocation_id, None)
        running.end(returned, now)

    def tick(self, now: float) -> None:
        while (late := oldest(self._awaited)) and late.started_at + INTEGRATION_TIMEOUT <= now:
            self._awaited.popitem(last=False)
            late.end(None, now)

    def due(self) -> float | None:
        late = oldest(self._awaited)
        return late.started_at + INTEGRATION_TIMEOUT if late else None
