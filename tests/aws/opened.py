"""The interceptor in front of an emulator, without any app: what tests of this room open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.interceptor import AwsCall, Interceptor
    from pytest_sessionplugin.aws.moto.emulator import Emulator
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.aws.waits import Waits
    from pytest_sessionplugin.aws.wire import Answer
    from pytest_sessionplugin.gateway.values import Manage, Reply


class Manages(Protocol):
    def manage(self, call: Manage) -> Reply: ...


class FakeApis:
    """A backend that hands calls of @connections to `gateway`, once a test has given one."""

    def __init__(self) -> None:
        self.gateway: Manages | None = None

    def answer(self, call: AwsCall) -> Answer | None:
        from pytest_sessionplugin.aws.interceptor import NotEmulated
        from pytest_sessionplugin.aws.wire import Answer

        if call.manage is None:
            return None
        if self.gateway is None:
            raise NotEmulated("no gateway is here.")
        reply = self.gateway.manage(call.manage)
        return Answer(reply.status, dict(reply.headers), reply.body)


@dataclass(frozen=True)
class Opened:
    tables: Tables
    calls: Calls
    faults: Faults
    apis: FakeApis
    emulator: Emulator
    interceptor: Interceptor


@contextmanager
def opened(
    emulator: Any,
    calls: Calls | None = None,
    faults: Faults | None = None,
    waits: Waits | None = None,
    tell: Callable[[str], None] = lambda sentence: None,
    *,
    seed: Callable[[], None] = lambda: None,
    other_hosts: bool = True,
) -> Iterator[Opened]:
    """Needs the environment of `environment.neutral`."""
    from pytest_sessionplugin.aws.hook import HOOK
    from pytest_sessionplugin.aws.interceptor import Interceptor
    from pytest_sessionplugin.aws.moto.emulator import OUTLIVED
    from pytest_sessionplugin.aws.races import Races
    from pytest_sessionplugin.aws.tables import Tables

    calls, apis = Calls() if calls is None else calls, FakeApis()
    faults = faults if faults is not None else Faults(picture=emulator.picture)
    with emulator.open():
        interceptor = Interceptor(
            calls=calls,
            faults=faults,
            races=Races(),
            backends=(apis, emulator),
            elsewhere=emulator.elsewhere,
            waits=waits,
            tell=tell,
            other_hosts=other_hosts,
        )
        with HOOK.use(interceptor, OUTLIVED, calls.test):
            emulator.fill(seed)
            named = emulator.named(emulator.specs, emulator.region)
            yield Opened(Tables(named), calls, faults, apis, emulator, interceptor)
