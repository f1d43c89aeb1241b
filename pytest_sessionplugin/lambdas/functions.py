"""The functions of an app with the faults that befall them: a late answer, a `$disconnect` that never comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.aws.caller import Invocation, entered
from pytest_sessionplugin.errors import UnknownName
from pytest_sessionplugin.gateway.values import FunctionTimedOut, Invoke, RunFunction

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.faults import Faults


class FaultyFunctions:
    """Runs an app's functions, each as the invocation that its calls to AWS are attributed to. Thread-safe.

    `names` maps each function to its name in config.json, `disconnect` runs on `$disconnect`, and a `prefix` tells
    the functions of several apps apart. Each run happens within `watched(name)`.
    """

    def __init__(
        self,
        functions: RunFunction,
        names: Mapping[str, str],
        faults: Faults,
        disconnect: str | None,
        prefix: str = "",
        watched: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._functions, self._names, self._faults, self._disconnect = functions, names, faults, disconnect
        self._prefix = prefix
        self._watched = watched

    def __call__(self, invoke: Invoke) -> Any:
        if invoke.function == self._disconnect and self._faults.loses_disconnect(_connection(invoke)):
            return {"statusCode": 200}  # the gateway ignores it
        if invoke.function not in self._names:
            raise UnknownName("function", invoke.function, list(self._names))
        function, name = self._prefix + invoke.function, self._prefix + self._names[invoke.function]
        with self._watched(name), entered(Invocation(invoke.invocation_id, function, name)) as invocation:
            try:
                result = self._functions(invoke)
            except BaseException as error:
                if invocation.killed:
                    raise FunctionTimedOut(f"{invoke.function} was ended where it stood, by a fault") from error
                raise
        if invocation.killed or self._faults.times_out(function):
            raise FunctionTimedOut(f"the answer of {invoke.function} came too late, by a fault")
        return result


def _connection(invoke: Invoke) -> str:
    connection: str = invoke.event.get("requestContext", {}).get("connectionId", "")
    return connection
