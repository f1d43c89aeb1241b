"""Registers with botocore as soon as anybody imports it, so that no call of a test's goes to the real AWS.

botocore copies its list of handlers when a session is made, so ours must be in that list before: otherwise a client
that a module makes while it is imported would go past it. Importing this file does not import botocore.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from pytest_sessionplugin.errors import BlockedCall

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.http_clients import Changes
    from pytest_sessionplugin.aws.http_requests import HttpRequest
    from pytest_sessionplugin.aws.wire import Answer


class Intercepts(Protocol):
    """Answers calls while it is in use, and takes the SDK's sleeps (sleeps.py). The events are botocore's, in the order
    of one call.
    """

    def before_parameter_build(
        self, event_name: str, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> None: ...

    def before_call(
        self, event_name: str, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> Any: ...

    def url(self, event_name: str, request: Any, region: str) -> str: ...

    def before_send(self, event_name: str, request: Any, **_: Any) -> Any: ...

    def takes(self, host: str) -> bool: ...

    def admit(self, host: str) -> None: ...

    def answer(self, host: str, request: HttpRequest) -> Answer | None: ...

    def waited(self, seconds: float) -> None: ...

    def held_back(self, seconds: float) -> None: ...

    def sleep(self, seconds: float) -> None: ...


class Hook:
    """Registered with botocore once, for the rest of the process. While no interceptor is in use, it only blocks the
    calls of threads that have outlived a test.
    """

    def __init__(self) -> None:
        self.outlived: Outlived | None = None  # from the first use on
        self.interceptor: Intercepts | None = None
        self._signers: list[Any] = []  # signers that were lent credentials while an interceptor was in use
        self._installed = False
        self._followed: Intercepts | None = None  # in a child process
        self._sleeps = ExitStack()  # of the followed one
        self._changes: Changes | None = None  # from the first use on

    @contextmanager
    def use(self, interceptor: Intercepts, outlived: Outlived, test: str) -> Iterator[None]:
        """Sends every call of the process to this interceptor, and each sleep of the SDK; only one can be in use.
        `test` names the test that started the threads still running at the end of the block.
        """
        from pytest_sessionplugin.aws.sleeps import taken_by

        self.install()
        if self.interceptor is not self._followed:
            raise RuntimeError("another interceptor is in use already")
        self._change_clients()
        before = set(threading.enumerate())
        self.interceptor, self.outlived = interceptor, outlived
        try:
            with taken_by(interceptor):
                yield
        finally:
            outlived.note(before, test)
            self.interceptor = self._followed
            outlived.note(before, test)  # threads that were started meanwhile
            while self._signers:
                self._signers.pop()._credentials = None

    def follow(self, interceptor: Intercepts | None) -> None:
        """Sends every call of this process, a child of another, to this interceptor, unless one of its own is in use.
        None sends them to AWS.
        """
        self._sleeps.close()
        self.interceptor = self._followed = interceptor
        self.install()
        self._change_clients()
        if "botocore.handlers" in sys.modules:
            self._take_sleeps()

    def _take_sleeps(self) -> None:
        from pytest_sessionplugin.aws.sleeps import taken_by

        if self._followed is not None:
            self._sleeps.enter_context(taken_by(self._followed))

    def _take_sleeps_of(self, aiobotocore: ModuleType) -> None:
        from pytest_sessionplugin.aws.sleeps import change_aiobotocore

        change_aiobotocore(aiobotocore, lambda: self.interceptor)

    def _change_clients(self) -> None:
        if self._changes is None:
            from pytest_sessionplugin.aws.http_clients import Changes

            self._changes = Changes(self)
            sys.meta_path.insert(0, OnImport(self._changes.by_module))
        else:
            self._changes.make()

    # --- for clients that are not botocore's

    def takes(self, host: str) -> bool:
        """Whether requests to a host are answered here. Raises BlockedConnection."""
        if self.interceptor is not None:
            return self.interceptor.takes(host)
        self.admit(host)
        return False

    def admit(self, host: str) -> None:
        """Raises BlockedConnection for a host that no connection may reach."""
        if self.interceptor is not None:
            self.interceptor.admit(host)
        elif self.outlived is not None:
            from pytest_sessionplugin.aws.endpoints import is_aws

            if is_aws(host):
                self.outlived.check(host, "connect")

    def answer(self, host: str, request: HttpRequest) -> Answer | None:
        """None for a connection that breaks, as it does where the test has ended meanwhile."""
        return self.interceptor.answer(host, request) if self.interceptor is not None else None

    # --- for botocore

    def before_parameter_build(self, **event: Any) -> None:
        interceptor = self.interceptor
        if interceptor is not None:
            interceptor.before_parameter_build(**event)

    def before_call(self, **event: Any) -> Any:
        interceptor = self.interceptor
        if interceptor is not None:
            return interceptor.before_call(**event)
        if self.outlived is not None:
            self.outlived.check(event["model"].service_model.service_name, event["model"].name)
        return None

    def before_sign(self, event_name: str, request: Any, request_signer: Any, region_name: str, **_: Any) -> None:
        """Sends a request to AWS's own host, which is signed with it. Lends credentials to a client that was made where
        there were none: it could not even sign.
        """
        interceptor = self.interceptor
        if interceptor is None:
            return
        request.url = interceptor.url(event_name, request, region_name)
        if request_signer._credentials is None:
            from botocore.credentials import Credentials

            from pytest_sessionplugin.aws.environment import ACCESS_KEY, SECRET_KEY

            aiobotocore = sys.modules.get(type(request_signer).__module__.replace(".signers", ".credentials"))
            kind = getattr(aiobotocore, "AioCredentials", Credentials)  # which aiobotocore's signers await
            request_signer._credentials = kind(ACCESS_KEY, SECRET_KEY)
            self._signers.append(request_signer)

    def before_send(self, **event: Any) -> Any:
        interceptor = self.interceptor
        if interceptor is not None:
            return interceptor.before_send(**event)
        if self.outlived is not None:  # a call, or a retry, that began while an interceptor was in use
            self.outlived.check(*event["event_name"].split(".")[1:])
        return None

    def install(self) -> None:
        """Registers once; later calls do nothing."""
        if self._installed:
            return
        self._installed = True
        if "botocore.handlers" in sys.modules:
            self._register_late()
        of_aiobotocore = dict.fromkeys(("aiobotocore.endpoint", "aiobotocore.retries.bucket"), self._take_sleeps_of)
        sys.meta_path.insert(0, OnImport({"botocore.handlers": self.register, **of_aiobotocore}))

    def register(self, handlers: ModuleType) -> None:
        """First in the list that every new session takes: of several answers botocore uses the first."""
        handlers.BUILTIN_HANDLERS[:0] = self._handlers()
        self._take_sleeps()

    def _register_late(self) -> None:
        """Sessions and clients that are there already have a list of their own."""
        hooks = sys.modules["botocore.hooks"]
        for emitter in gc.get_objects():
            # Not isinstance, which asks the object too: a proxy may wake what it stands for, or be dead and raise.
            if issubclass(type(emitter), hooks.HierarchicalEmitter):
                for event, handler in self._handlers():
                    emitter.register_first(event, handler)

    def _handlers(self) -> list[tuple[str, Callable[..., Any]]]:
        return [
            ("before-parameter-build", self.before_parameter_build),
            ("before-call", self.before_call),
            ("before-sign", self.before_sign),
            ("before-send", self.before_send),
        ]


class OnImport:
    """Passes each wanted module to its function as soon as it is imported; at once if it is imported already."""

    def __init__(self, wanted: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._wanted = dict(wanted)
        for name in [name for name in wanted if name in sys.modules]:
            self._wanted.pop(name)(sys.modules[name])

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = self._wanted.pop(name, None)
        if change is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this one loader, this once
        return spec


class Outlived:
    """Threads that outlive the test that started them: their calls to AWS are blocked and counted.

    Such a thread, of an executor that an app keeps, is answered again during the next test. Between tests its calls
    would reach AWS with the developer's own credentials. `mocked` says whether another mock would answer.
    """

    def __init__(self, mocked: Callable[[], bool]) -> None:
        self.blocked: Counter[str] = Counter()  # sentence -> how often
        self._mocked = mocked
        self._tests: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()

    def note(self, before: Collection[threading.Thread], test: str) -> None:
        """The threads that run and were not there `before` have outlived this test."""
        for thread in threading.enumerate():
            if thread not in before:
                self._tests.setdefault(thread, test)

    def check(self, service: str, operation: str) -> None:
        """Raises BlockedCall in a thread that has outlived its test."""
        thread = threading.current_thread()
        test = self._tests.get(thread)
        if test is None or self._mocked():
            return
        error = BlockedCall(
            service,
            operation,
            f"the thread {thread.name!r} has outlived {test}, in which it was started. Let it end there.",
        )
        self.blocked[str(error)] += 1
        raise error


HOOK = Hook()
