"""What an outsider may do with a served app: move its time, bring faults about, wait for quiet. No HTTP here."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.faults import NAMES, Faults
from pytest_sessionplugin.aws.refusals import GONE, MANAGEMENT
from pytest_sessionplugin.aws.wire import connection
from pytest_sessionplugin.clock import Agenda, walk
from pytest_sessionplugin.errors import SessionPluginError, UnknownName
from pytest_sessionplugin.gateway import management
from pytest_sessionplugin.gateway.driver import NotQuiet
from pytest_sessionplugin.gateway.replies import failure

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.fault import Armed
    from pytest_sessionplugin.gateway.server import Server
    from pytest_sessionplugin.gateway.values import Manage, Reply
    from pytest_sessionplugin.moved_time import MovedTime

FARTHEST = 10 * 366 * 24 * 3600.0  # seconds that time may be moved at once
LAST = 32_503_680_000.0  # the year 3000; certificates and datetimes end later, but not much
LONGEST = 60.0  # seconds that anybody may have it wait
PATIENCE = 10.0  # seconds for what a deadline sets off
GRACE = 1.0  # seconds for what runs already: a handler has not returned yet when its client sees what it posted

_OPERATIONS = {"POST": "PostToConnection", "GET": "GetConnection", "DELETE": "DeleteConnection"}


class Site:
    """A served app, as faults know it."""

    def __init__(self, function_names: Mapping[str, str], clients: Server) -> None:
        self.function_names, self.clients = function_names, clients


class Interventions:
    """Safe from any number of threads. Refuses with SessionPluginError; raises NotQuiet for what goes on."""

    def __init__(
        self, server: Server, faults: Faults, time: MovedTime, agendas: Callable[[bool], Sequence[Agenda]]
    ) -> None:
        """`agendas`: what time stops for besides the gateway; its argument says whether the app's schedules do, too."""
        self._server, self._faults, self._time, self._agendas = server, faults, time, agendas
        self._moving = threading.Lock()
        self._armed: list[Armed] = []

    @property
    def moves_the_app(self) -> bool:
        """Whether the app's own time moves, too."""
        return self._time.for_all

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._time(), timezone.utc)

    def advance(self, seconds: float, grace: float = GRACE, *, schedules: bool = False) -> None:
        """Moves time on, from deadline to deadline: what each sets off has ended before time goes on. With
        `schedules`, the functions that have a rate run at theirs.

        What runs already has so many seconds of `grace` to end, and is not waited for any longer: that is how the
        integration time-out of 29 seconds strikes.
        """
        _check_wait(grace)
        if not 0 < seconds <= FARTHEST:
            raise SessionPluginError(f"time moves forwards, and by {FARTHEST:.0f} seconds at most, not by {seconds:g}.")
        with self._moving:
            until = self._time() + seconds  # before anything is waited for, which takes time too
            if until > LAST:
                raise SessionPluginError("time has come too far: start `serve` anew, and it begins with this day.")
            self._server.hear()
            with suppress(NotQuiet):
                self._server.quiet(grace)
            before = self._server.under_way()

            def settle() -> None:
                self._server.quiet(PATIENCE, before)

            def go_to(moment: float) -> None:
                nonlocal before
                settle()  # once more: the server also looks at its deadlines by itself
                before = self._server.under_way()
                self._time.move(moment - self._time())
                self._server.move_ahead(self._time.ahead)

            walk([self._server, *self._agendas(schedules)], until=until, now=self._time, go_to=go_to, settle=settle)
            go_to(until)

    def settle(self, seconds: float) -> None:
        """Waits until no handler runs and every frame is written."""
        _check_wait(seconds)
        self._server.hear()
        self._server.quiet(seconds)

    def state(self) -> dict[str, int]:
        """How much of each kind is open and runs, by its name in gateway/census.py."""
        return asdict(self._server.census())

    def arm(self, name: str, arguments: Sequence[Any], more: Mapping[str, Any]) -> str:
        """Brings about a fault of `aws_faults`, by its name; the answer says which."""
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
        """From here on all is well."""
        while self._armed:
            self._armed.pop().end()


def words(name: str) -> str:
    """What a fault takes, as in `(*connections, times)`."""
    parameters = list(inspect.signature(getattr(Faults, name)).parameters.values())[1:]
    names = ("*" + each.name if each.kind is each.VAR_POSITIONAL else each.name for each in parameters)
    return f"({', '.join(names)})"


def _check_wait(seconds: float) -> None:
    if not 0 <= seconds <= LONGEST:
        raise SessionPluginError(f"it waits for {LONGEST:.0f} seconds at most, not for {seconds:g}.")


def _check_kinds(arguments: Sequence[Any], more: Mapping[str, Any]) -> None:
    """Raises TypeError. JSON has whole numbers and texts, and a fault that got the wrong ones would break later."""
    for name, value in (*((repr(one), one) for one in arguments), *more.items()):
        if name in ("times", "status"):
            if type(value) is not int:
                raise TypeError(f"{name} is a whole number, not {value!r}")
        elif not isinstance(value, str):
            raise TypeError(f"{name} must be a text")


def refused(faults: Faults) -> Callable[[Manage], Reply | None]:
    """For a server: what a fault answers to a call of @connections that comes over the network."""

    def reply(call: Manage) -> Reply | None:
        operation = _OPERATIONS.get(call.method)
        if operation is None:
            return None
        fault = faults.refuses(Call(MANAGEMENT, operation), connection(call))
        if fault is None:
            return None
        return management.GONE if fault.code == GONE.code else failure(fault.status, fault.message, fault.code)

    return reply
