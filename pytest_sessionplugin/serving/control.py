"""The control port of `serve`: a small JSON API with which tests in any language move time, start faults and reset.

Its clients can make the app behave in any way, so only this machine may reach it (loopback.py).
"""

from __future__ import annotations

import inspect
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.account.clock import Agenda, walk
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.endpoints import MANAGEMENT
from pytest_sessionplugin.aws.faults import GONE, NAMES, Faults
from pytest_sessionplugin.aws.wire import connection
from pytest_sessionplugin.errors import SessionPluginError, UnknownName
from pytest_sessionplugin.gateway.activity import NotQuiet
from pytest_sessionplugin.gateway.core import management
from pytest_sessionplugin.gateway.core.gateway_responses import failure
from pytest_sessionplugin.serving.loopback import LoopbackHandler, LoopbackServer

if TYPE_CHECKING:
    from pytest_sessionplugin.account.clock import MovedTime
    from pytest_sessionplugin.aws.faults import Armed
    from pytest_sessionplugin.gateway.server.server import Server
    from pytest_sessionplugin.gateway.values import Manage, Reply


MAX_BODY = 65_536  # bytes
DIGITS = 9  # of a Content-Length; a longer one is too large, and Python refuses to parse thousands of digits
SETTLE = 5.0  # seconds

TIME_STANDS = (
    "only the gateway's time has moved: the app's does, too, "
    "where it is served with time-machine: pip install 'pytest-sessionplugin[clock]'"
)

ControlReply = tuple[int, Mapping[str, Any]]


class Control(LoopbackServer):
    """Listens within its block."""

    def __init__(self, interventions: Interventions, host: str, port: int) -> None:
        """Raises PortInUse, or OSError."""
        desk = _Desk(interventions)
        super().__init__(host, port, lambda *arguments: _Handler(desk.answer, *arguments), "the control port")


class _Desk:
    """The routes of the control API."""

    def __init__(self, interventions: Interventions) -> None:
        self._interventions = interventions
        self._routes: Mapping[tuple[str, str], Callable[[dict[str, Any]], ControlReply]] = {
            ("GET", "/"): self._help,
            ("POST", "/clock"): self._clock,
            ("POST", "/faults"): self._arm,
            ("DELETE", "/faults"): self._end,
            ("POST", "/reset"): self._reset,
            ("POST", "/settle"): self._settle,
            ("GET", "/state"): self._state,
        }

    def answer(self, method: str, path: str, body: bytes) -> ControlReply:
        route = self._routes.get((method, path))
        if route is None:
            there = ", ".join(f"{method} {path}" for method, path in self._routes)
            return 404, _error(f"there is no {method} {path}; there are: {there}.")
        try:
            return route(_object(body))
        except NotQuiet as error:
            return 504, {**_error(str(error)), "running": list(error.running)}
        except SessionPluginError as error:
            return 400, _error(str(error))

    def _help(self, _: dict[str, Any]) -> ControlReply:
        return 200, {
            "now": self._now,
            "POST /clock": {
                "advance": "seconds",
                "grace": f"for what runs already; {GRACE:g} if left out",
                "schedules": "whether those of the app run on the way; false if left out",
            },
            "POST /faults": {"fault": "name", "arguments": ["text"], "times": "a whole number, or left out"},
            "DELETE /faults": "ends all faults",
            "POST /reset": {"seconds": f"to wait at most for running handlers; {SETTLE:g} if left out"},
            "POST /settle": {"seconds": f"to wait at most; {SETTLE:g} if left out"},
            "GET /state": "how much of each kind is open and runs",
            "faults": [f"{name}{words(name)}" for name in NAMES],
        }

    def _clock(self, asked: dict[str, Any]) -> ControlReply:
        seconds = _number(asked.pop("advance", None), "advance")
        grace = _number(asked.pop("grace", GRACE), "grace")
        schedules = asked.pop("schedules", False)
        if not isinstance(schedules, bool):
            raise SessionPluginError("schedules must be true or false: whether the app's run on the way.")
        _nothing_else(asked, "advance, grace, schedules")
        self._interventions.advance(seconds, grace, schedules=schedules)
        return 200, {"now": self._now, **({} if self._interventions.moves_the_app else {"note": TIME_STANDS})}

    def _arm(self, asked: dict[str, Any]) -> ControlReply:
        name, arguments = asked.pop("fault", None), asked.pop("arguments", [])
        if not isinstance(name, str) or not isinstance(arguments, list):
            raise SessionPluginError(
                f'a fault is {{"fault": "gone", "arguments": ["…"]}}; there are: {", ".join(NAMES)}.'
            )
        return 200, {"fault": self._interventions.arm(name, arguments, asked)}

    def _end(self, _: dict[str, Any]) -> ControlReply:
        self._interventions.end_faults()
        return 200, {}

    def _reset(self, asked: dict[str, Any]) -> ControlReply:
        seconds = _number(asked.pop("seconds", SETTLE), "seconds")
        _nothing_else(asked, "seconds")
        self._interventions.reset(seconds)
        return 200, {"now": self._now}

    def _settle(self, asked: dict[str, Any]) -> ControlReply:
        seconds = _number(asked.pop("seconds", SETTLE), "seconds")
        _nothing_else(asked, "seconds")
        self._interventions.settle(seconds)
        return 200, {"now": self._now}

    def _state(self, _: dict[str, Any]) -> ControlReply:
        return 200, {"now": self._now, **self._interventions.state()}

    @property
    def _now(self) -> str:
        return self._interventions.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Handler(LoopbackHandler):
    """One connection to the control port. A refusal closes it without reading the rest of the request."""

    def __init__(self, answer: Callable[[str, str, bytes], ControlReply], *arguments: Any) -> None:
        self._answer = answer
        super().__init__(*arguments)

    def do_GET(self) -> None:
        status, said = self._refused() or self._asked()
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = do_GET

    def _asked(self) -> ControlReply:
        return self._answer(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _refused(self) -> ControlReply | None:
        self.close_connection, keeps = True, self.close_connection
        length = self.headers.get("Content-Length") or "0"
        if why := self.why_refused("the control port"):
            return 403, _error(why)
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            return 411, _error("send a Content-Length with the body.")
        if len(length) > DIGITS or int(length) > MAX_BODY:
            return 413, _error(f"a body may have {MAX_BODY} bytes.")
        self.close_connection = keeps
        return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise SessionPluginError("the body must be a JSON object.")
    return asked


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise SessionPluginError(f'{name} must be a number of seconds, as in {{"{name}": 30}}.')
    return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _nothing_else(asked: Mapping[str, Any], name: str) -> None:
    if asked:
        raise SessionPluginError(f"{', '.join(sorted(asked))} is not known here; there is: {name}.")


def _error(sentence: str) -> dict[str, str]:
    return {"error": sentence}


FARTHEST = 10 * 366 * 24 * 3600.0  # seconds that time may be moved at once
LAST = 32_503_680_000.0  # the year 3000; certificates and datetimes end later, but not much
LONGEST = 60.0  # seconds that a request may ask it to wait
PATIENCE = 10.0  # seconds for the work of one deadline
GRACE = 1.0  # seconds for running handlers: one has not returned yet when its client sees the frame it posted

_OPERATIONS = {"POST": "PostToConnection", "GET": "GetConnection", "DELETE": "DeleteConnection"}


class Interventions:
    """Moves time and starts faults. Thread-safe. Raises SessionPluginError, and NotQuiet if a handler goes on."""

    def __init__(
        self,
        server: Server,
        faults: Faults,
        time: MovedTime,
        agendas: Callable[[bool], Sequence[Agenda]],
        refill: Callable[[], None] | None,
    ) -> None:
        """`agendas` gives the agendas beside the gateway's; its argument says whether to include schedules. `refill`
        makes AWS as after the start; None if the tables are elsewhere.
        """
        self._server, self._faults, self._time, self._agendas = server, faults, time, agendas
        self._refill = refill
        self._moving = threading.Lock()
        self._armed: list[Armed] = []

    @property
    def moves_the_app(self) -> bool:
        """Whether the app's own time moves as well."""
        return self._time.for_all

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._time(), UTC)

    def advance(self, seconds: float, grace: float = GRACE, *, schedules: bool = False) -> None:
        """Moves time from deadline to deadline, and waits for the work of each. With `schedules`, functions that have
        one run at its moments.

        Handlers that are running have `grace` seconds to end and are not waited for any longer, so that the integration
        timeout of 29 seconds can strike.
        """
        _check_wait(grace)
        if not 0 < seconds <= FARTHEST:
            raise SessionPluginError(f"time moves forwards, and by {FARTHEST:.0f} seconds at most, not by {seconds:g}.")
        with self._moving:
            until = self._time() + seconds  # before any waiting, which takes time as well
            if until > LAST:
                raise SessionPluginError("time would pass the year 3000: restart `serve` to return to the present.")
            self._server.hear()
            with suppress(NotQuiet):
                self._server.quiet(grace)
            before = self._server.runtime.activity.under_way()

            def settle() -> None:
                self._server.quiet(PATIENCE, before)

            def go_to(moment: float) -> None:
                nonlocal before
                settle()  # once more: the server also looks at its deadlines by itself
                before = self._server.runtime.activity.under_way()
                self._time.move(moment - self._time())
                self._server.runtime.move_ahead(self._time.ahead)

            walk(
                [self._server.runtime, *self._agendas(schedules)],
                until=until,
                now=self._time,
                go_to=go_to,
                settle=settle,
            )
            go_to(until)

    def settle(self, seconds: float) -> None:
        """Waits until no handler runs and every frame is written."""
        _check_wait(seconds)
        self._server.hear()
        self._server.quiet(seconds)

    def reset(self, seconds: float) -> None:
        """Makes everything as after the start, but for the time and for what the app keeps in its own variables.

        Waits for running handlers, `seconds` at most, and closes every WebSocket with 1001.
        """
        _check_wait(seconds)
        if self._refill is None:
            raise SessionPluginError("the tables are in a DynamoDB of their own, which is not emptied: restart it.")
        with self._moving:
            self.end_faults()
            self._server.hear()
            self._server.quiet(seconds)
            self._part()
            self._refill()
            self._part()  # from those that came meanwhile: their rows are gone

    def _part(self) -> None:
        self._server.runtime.start_again()
        self._server.quiet(PATIENCE)

    def state(self) -> dict[str, int]:
        """Counts of everything that is open or running, named as in ServerState."""
        return asdict(self._server.census())

    def arm(self, name: str, arguments: Sequence[Any], more: Mapping[str, Any]) -> str:
        """Arms a fault of `aws_faults` by its name. Returns its description."""
        if name not in NAMES:
            raise UnknownName("fault", name, NAMES)
        fault: Callable[..., Armed] = getattr(self._faults, name)
        try:
            inspect.signature(fault).bind(*arguments, **more)
            _check_kinds(arguments, more)
            armed = fault(*arguments, **more)
        except (TypeError, ValueError) as error:
            if isinstance(error, SessionPluginError):
                raise
            raise SessionPluginError(f"{name}{words(name)}: {error}.") from error
        self._armed.append(armed)
        return str(armed.fault)

    def end_faults(self) -> None:
        """Ends all faults that were armed here."""
        while self._armed:
            self._armed.pop().end()


def words(name: str) -> str:
    """The parameters of a fault, as in `(*connections, times)`."""
    parameters = list(inspect.signature(getattr(Faults, name)).parameters.values())[1:]
    names = ("*" + each.name if each.kind is each.VAR_POSITIONAL else each.name for each in parameters)
    return f"({', '.join(names)})"


def _check_wait(seconds: float) -> None:
    if not 0 <= seconds <= LONGEST:
        raise SessionPluginError(f"it waits for 0 to {LONGEST:.0f} seconds, not for {seconds:g}.")


def _check_kinds(arguments: Sequence[Any], more: Mapping[str, Any]) -> None:
    """Raises TypeError: a fault that got a number in place of a text would break later."""
    for name, value in (*((repr(one), one) for one in arguments), *more.items()):
        if name in ("times", "status"):
            if type(value) is not int:
                raise TypeError(f"{name} is a whole number, not {value!r}")
        elif not isinstance(value, str):
            raise TypeError(f"{name} must be a text")


def refused(faults: Faults) -> Callable[[Manage], Reply | None]:
    """The answer of a fault to a call of @connections over the network; None without a fault."""

    def reply(call: Manage) -> Reply | None:
        operation = _OPERATIONS.get(call.method)
        if operation is None:
            return None
        fault = faults.refuses(Call(MANAGEMENT, operation), connection(call))
        if fault is None:
            return None
        return management.GONE if fault.code == GONE.code else failure(fault.status, fault.message, fault.code)

    return reply
