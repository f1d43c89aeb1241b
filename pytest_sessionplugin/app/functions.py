"""The Lambda functions of an app: runs each in the calling thread, in the process, or copy of the app, that it has.

On AWS each function is a process of its own with one request at a time. Here they share one app object in any number
of threads, so the attributes that Chalice keeps on that object belong to the invocation instead.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice

from pytest_sessionplugin.app.description import WEBSOCKET_NAMES
from pytest_sessionplugin.app.isolation import FunctionRun, View, become, running, share, views_in_use
from pytest_sessionplugin.app.logging import log_to_root, loggers_kept
from pytest_sessionplugin.app.modules import NamedCopy
from pytest_sessionplugin.app.placeholders import name_in_lambda
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Api, Invoke

if TYPE_CHECKING:
    import logging

    from chalice.config import Config

    from pytest_sessionplugin.app.project import Project


# --- where a function runs


@dataclass(frozen=True)
class Process:
    """An app that functions run in. Without a view they see the environment of the process."""

    app: Chalice
    view: View | None = None


class Processes:
    """Copies of apps for one test, until the stack is closed. `listener` gets their logs."""

    def __init__(self, stack: ExitStack, listener: logging.Handler) -> None:
        self._stack = stack
        self._listener = listener
        self._lock = threading.RLock()
        self._views_in_use = False

    def new(self, project: Project, label: str, view: View | None = None) -> Process:
        """A new copy of the app, whose modules are `app@label` and `chalicelib@label`."""
        with self._lock:
            if not self._views_in_use:
                self._stack.enter_context(views_in_use())
                self._views_in_use = True
            modules = NamedCopy(project.root, label)
            modules.open()
            self._stack.callback(modules.close)
            self._stack.enter_context(loggers_kept())
            with view.within() if view is not None else nullcontext():
                app = project.load_named(modules)
            share(app)
            self._stack.enter_context(log_to_root(app, self._listener))
            return Process(app, view)

    def each_its_own(
        self, project: Project, label: str, first: Process, view: View | None = None
    ) -> Callable[[str], Process]:
        """A copy for each function, made when it first runs; `first` runs the HTTP routes."""
        made = {REST_FUNCTION: first}

        def process_of(function: str) -> Process:
            with self._lock:
                if function not in made:
                    made[function] = self.new(project, f"{label}:{function}", view)
                return made[function]

        return process_of


# --- the functions


@dataclass
class LambdaContext:
    """The context object of one invocation (AWS: "Using the Lambda context object", Python)."""

    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int
    timeout: float  # seconds
    region: str
    account_id: str
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)
    function_version: str = "$LATEST"
    identity: Any = None
    client_context: Any = None

    def __post_init__(self) -> None:
        self._deadline = self.monotonic() + self.timeout

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return f"[{self.function_version}]{self.aws_request_id.replace('-', '')}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self.monotonic()) * 1000))


@dataclass(frozen=True)
class _Limits:
    """Megabytes and seconds of a function. Cached, since Chalice searches three levels of config.json each time."""

    memory: int
    timeout: float

    @classmethod
    def of(cls, config: Config) -> _Limits:
        return cls(config.lambda_memory_size or 128, config.lambda_timeout or 60)


class Functions:
    """The functions of one app. A call runs one of them and raises what its handler raises. Thread-safe.

    `processes` gives the process of each function, by default one with this app for all.
    """

    def __init__(
        self, app: Chalice, project: Project, api: Api, processes: Callable[[str], Process] | None = None
    ) -> None:
        share(app)
        _ignore_deprecations_of_chalice()
        one = Process(app)
        self._process_of = processes or (lambda function: one)
        self._region, self._account_id = api.region, api.account_id
        names = {handler.name: WEBSOCKET_NAMES[key] for key, handler in app.websocket_handlers.items()}
        configs = {name: project.config(names.get(name, name)) for name in (REST_FUNCTION, *app.handler_map)}
        self._limits = {name: _Limits.of(config) for name, config in configs.items()}
        self._names = {name: config.function_name for name, config in configs.items()}
        self._stack = project.deployed_name

    @property
    def names(self) -> Mapping[str, str]:
        """Name in the app -> name in config.json."""
        return self._names

    @property
    def deployed(self) -> Mapping[str, str]:
        """Name in Lambda -> name in the app."""
        return {self._deployed_name(name): name for name in self._names}

    @property
    def timeouts(self) -> Mapping[str, float]:
        """Name in the app -> seconds."""
        return {name: limits.timeout for name, limits in self._limits.items()}

    def _deployed_name(self, function: str) -> str:
        return name_in_lambda(self._stack, self._names[function])

    def __call__(self, invoke: Invoke) -> Any:
        return copy_context().run(self._run, self._process_of(invoke.function), invoke)

    def _run(self, process: Process, invoke: Invoke) -> Any:
        become(process.view)
        running.set(FunctionRun(process.app, invoke.function))
        handler = process.app if invoke.function == REST_FUNCTION else process.app.handler_map[invoke.function]
        limits = self._limits[invoke.function]
        context = LambdaContext(
            function_name=self._deployed_name(invoke.function),
            aws_request_id=invoke.invocation_id,
            memory_limit_in_mb=limits.memory,
            timeout=limits.timeout,
            region=self._region,
            account_id=self._account_id,
        )
        return handler(invoke.event, context)


def _ignore_deprecations_of_chalice() -> None:
    """Chalice 1.33 calls utcfromtimestamp, which Python 3.12 deprecates: where warnings are errors, a function fails.

    Called for each test, after its filters were set: pytest restores them at its end.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"chalice(\.|$)")
