"""The Lambda functions of an app: runs each in the calling thread, in the process, or copy of the app, that it has.

On AWS each function is a process of its own with one request at a time. Here they share one app object in any number
of threads, so the attributes that Chalice keeps on that object belong to the invocation instead.
"""

from __future__ import annotations

import importlib
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice

from pytest_sessionplugin.app.description import WEBSOCKET_NAMES, handler_strings
from pytest_sessionplugin.app.handlers import Handlers, Load, module_of
from pytest_sessionplugin.app.isolation import (
    FunctionRun,
    FunctionView,
    OwnVariables,
    View,
    become,
    running,
    share,
    take_app_away,
    views_in_use,
)
from pytest_sessionplugin.app.logging import log_to_root, loggers_kept
from pytest_sessionplugin.app.modules import NamedCopy
from pytest_sessionplugin.app.placeholders import name_in_lambda
from pytest_sessionplugin.app.project import LAMBDA_MEMORY
from pytest_sessionplugin.app.working_directory import working_in
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Api, Invoke

if TYPE_CHECKING:
    import logging

    from pytest_sessionplugin.app.project import Memory, Project


# --- where a function runs


@dataclass(frozen=True)
class LambdaFunction:
    """A function as `chalice deploy` makes it. Made once for a test, since Chalice searches config.json each time."""

    name: str  # in the app
    config_name: str
    deployed_name: str
    handler: str
    memory: int  # megabytes
    timeout: float  # seconds
    variables: OwnVariables


@dataclass(frozen=True)
class Sandbox:
    """An environment that functions run in, with the app or with a part of it.

    Without a view they see the environment of the process.
    """

    app: Chalice | None
    handlers: Handlers
    view: View | None = None


@dataclass(frozen=True)
class Process(Sandbox):
    """A sandbox with the app."""

    app: Chalice

    @classmethod
    def of(cls, app: Chalice, load: Load = importlib.import_module, view: View | None = None) -> Process:
        """The process of an app that `load` has just imported."""
        return cls(app, Handlers(handler_strings(app).values(), load), view)


ProcessOf = Callable[[LambdaFunction], Sandbox]


class Processes:
    """Copies of apps for one test, until the stack is closed. `listener` gets their logs."""

    def __init__(self, stack: ExitStack, listener: logging.Handler) -> None:
        self._stack = stack
        self._listener = listener
        self._lock = threading.RLock()
        self._stack.enter_context(views_in_use())

    def new(self, project: Project, label: str, view: View | None = None) -> Process:
        """A new copy of the app, whose modules are `app@label` and `chalicelib@label`, imported in its view."""
        with self._lock, view.within() if view is not None else nullcontext():
            modules = self._opened(project, label)
            app = project.load_named(modules)
            self._share(app)
            return Process.of(app, modules.load, view)

    def each_its_own(self, project: Project, label: str, first: Process, view: View | None = None) -> ProcessOf:
        """A copy for each function, made when it first runs; `first` runs the HTTP routes.

        As in Lambda the module of its handler alone is imported, with its variables. Each copy has an environment of
        its own, over that of `view`.
        """
        made: dict[str, Sandbox] = {REST_FUNCTION: first}

        def process_of(function: LambdaFunction) -> Sandbox:
            with self._lock:
                if function.name not in made:
                    made[function.name] = self._alone(project, f"{label}:{function.name}", View(below=view), function)
                return made[function.name]

        return process_of

    def _alone(self, project: Project, label: str, view: View, function: LambdaFunction) -> Sandbox:
        modules = self._opened(project, label)
        with FunctionView(function.variables, view).within():
            app = project.load_alone(modules, module_of(function.handler))
            if app is not None:
                self._share(app)
            return Sandbox(app, Handlers([function.handler], modules.load), view)

    def _opened(self, project: Project, label: str) -> NamedCopy:
        modules = NamedCopy(project.root, label)
        modules.open()
        self._stack.callback(modules.close)
        self._stack.enter_context(loggers_kept())
        return modules

    def _share(self, app: Chalice) -> None:
        share(app)
        self._stack.enter_context(log_to_root(app, self._listener))


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
        return environment.log_stream(self.function_name)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self.monotonic()) * 1000))


class Functions:
    """The functions of one app. A call runs one of them and raises what its handler raises. Thread-safe.

    `process_of` gives the sandbox of each function, by default the process of the app for all.
    """

    def __init__(self, process: Process, memory: Memory, api: Api, process_of: ProcessOf | None = None) -> None:
        share(process.app)
        _ignore_deprecations_of_chalice()
        self._process_of = process_of or (lambda function: process)
        self._region, self._account_id = api.region, api.account_id
        self._functions = _functions_of(process.app, memory)
        self._process = process
        self._root = str(memory.project.root)
        without_app = [each.name for each in self._functions.values() if not process.handlers.has_app(each.handler)]
        take_app_away(process.handlers.blueprints, [process.app.handler_map[name] for name in without_app])

    def problems(self) -> dict[str, str]:
        """The functions that Lambda would look for where they are not, each with a sentence."""
        registered = self._process.app.handler_map
        found = {
            name: self._process.handlers.problem(function.handler, registered[name])
            for name, function in self._functions.items()
            if name != REST_FUNCTION
        }
        return {name: sentence for name, sentence in found.items() if sentence}

    @property
    def names(self) -> Mapping[str, str]:
        """Name in the app -> name in config.json."""
        return {name: function.config_name for name, function in self._functions.items()}

    @property
    def deployed(self) -> Mapping[str, str]:
        """Name in Lambda -> name in the app."""
        return {function.deployed_name: name for name, function in self._functions.items()}

    @property
    def timeouts(self) -> Mapping[str, float]:
        """Name in the app -> seconds."""
        return {name: function.timeout for name, function in self._functions.items()}

    def function(self, name: str) -> LambdaFunction:
        """A function by its name in the app."""
        return self._functions[name]

    def __call__(self, invoke: Invoke) -> Any:
        function = self.function(invoke.function)
        with working_in(self._root):
            return copy_context().run(self._run, self._process_of(function), function, invoke)

    def _run(self, sandbox: Sandbox, function: LambdaFunction, invoke: Invoke) -> Any:
        began = time.time()
        become(FunctionView(function.variables, sandbox.view, lambda: _trace(invoke, began)))
        running.set(FunctionRun(sandbox.app, function.name, sandbox.handlers.has_app(function.handler)))
        handler = sandbox.handlers.find(function.handler)
        context = LambdaContext(
            function_name=function.deployed_name,
            aws_request_id=invoke.invocation_id,
            memory_limit_in_mb=function.memory,
            timeout=function.timeout,
            region=self._region,
            account_id=self._account_id,
        )
        try:
            return handler(invoke.event, context)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself
                error.add_note(_unwrapped(function))
            raise


def _unwrapped(function: LambdaFunction) -> str:
    advice = (
        "Chalice wraps no WebSocket handler of a Blueprint: register it on the app."
        if function.config_name in WEBSOCKET_NAMES.values()
        else "Let this name be what Chalice's decorator returns."
    )
    return f"Lambda calls {function.handler} with event and context, and Chalice's wrapper is not there. {advice}"


def _functions_of(app: Chalice, memory: Memory) -> dict[str, LambdaFunction]:
    """The functions of an app by their names in it."""
    project = memory.project
    config_names = {handler.name: WEBSOCKET_NAMES[key] for key, handler in app.websocket_handlers.items()}
    found = {}
    for name, handler in handler_strings(app).items():
        config_name = config_names.get(name, name)
        config = project.config(config_name)
        found[name] = LambdaFunction(
            name,
            config_name,
            name_in_lambda(project.deployed_name, config_name),
            handler,
            config.lambda_memory_size or LAMBDA_MEMORY,
            config.lambda_timeout or 60,
            OwnVariables(memory.own_variables(config_name, handler), memory.variables),
        )
    return found


def _trace(invoke: Invoke, began: float) -> str:
    """X-Ray's header for an invocation that began at this time: that of its event if it has one, not sampled."""
    headers = invoke.event.get("headers") if isinstance(invoke.event, dict) else None
    digits = f"{invoke.invocation_id.encode().hex():0<24.24}"
    root = (headers or {}).get("X-Amzn-Trace-Id") or f"Root=1-{int(began):08x}-{digits}"
    return f"{root.partition(';')[0]};Parent={digits[:16]};Sampled=0"


def _ignore_deprecations_of_chalice() -> None:
    """Chalice 1.33 calls utcfromtimestamp, which Python 3.12 deprecates: where warnings are errors, a function fails.

    Called for each test, after its filters were set: pytest restores them at its end.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"chalice(\.|$)")
