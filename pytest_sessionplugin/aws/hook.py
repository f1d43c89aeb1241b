"""Puts the door into botocore, the moment botocore is first imported, by whomever. Imports nothing itself.

botocore reads its list of handlers when a session is made. So what answers in place of AWS must be in that list before
the first session is: a client that a module makes when it is imported would else go past it, to the real AWS.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pytest_sessionplugin.errors import BlockedCall

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.interceptor import Interceptor


class Hook:
    """Registered with botocore once and for good. Without a door it stops only what has outlived one."""

    def __init__(self) -> None:
        self.door: Interceptor | None = None
        self.outlived: Outlived | None = None  # from the first door on
        self._installed = False

    def before_parameter_build(self, **event: Any) -> None:
        door = self.door
        if door is not None:
            door.before_parameter_build(**event)

    def before_call(self, **event: Any) -> Any:
        door = self.door
        if door is not None:
            return door.before_call(**event)
        if self.outlived is not None:
            self.outlived.check(event["model"].service_model.service_name, event["model"].name)
        return None

    def before_sign(self, **event: Any) -> None:
        door = self.door
        if door is not None:
            door.before_sign(**event)

    def before_send(self, **event: Any) -> Any:
        door = self.door
        if door is not None:
            return door.before_send(**event)
        if self.outlived is not None:  # a call, or a retry, that began while a door was open
            self.outlived.check(*event["event_name"].split(".")[1:])
        return None

    def install(self) -> None:
        """A second time changes nothing."""
        if self._installed:
            return
        self._installed = True
        if "botocore.handlers" in sys.modules:
            self.register(sys.modules["botocore.handlers"])
            self._register_late()
        else:
            sys.meta_path.insert(0, _OnImport(self))

    def register(self, handlers: ModuleType) -> None:
        """First in the list that every new session takes: of several answers botocore uses the first."""
        handlers.BUILTIN_HANDLERS[:0] = self._handlers()

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


class _OnImport:
    """Lets `botocore.handlers` be imported as ever, then registers the hook in it."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "botocore.handlers":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._hook.register(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this one loader, this once
        return spec


HOOK = Hook()


class Outlived:
    """For a whole process. `mocked` says whether a mock of somebody else would answer a call."""

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
