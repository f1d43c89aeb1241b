"""Starts of child processes: each Python interpreter gets the variables that lead it to the account of this process.

The ways that the standard library has to start a process are wrapped once, for the rest of this process, and do what
they always do while no account is open. Loaded by each such interpreter, so it imports little. POSIX only.
"""

from __future__ import annotations

import os
import sys
from contextvars import Context

TYPE_CHECKING = False  # typing's own costs more than the rest of this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Protocol

    class Leader(Protocol):
        """The account that is open."""

        def account(self) -> str:
            """The value of the variable for a process that is about to start."""

        def forked(self) -> None:
            """This is the child of a fork."""


ACCOUNT = "SESSIONPLUGIN_ACCOUNT"
PATH = "PYTHONPATH"
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")


class Starts:
    """Leads new processes to the open account. Only one is open at a time."""

    def __init__(self) -> None:
        self._leader: Leader | None = None
        self._installed = False

    def follow(self, leader: Leader | None) -> Leader | None:
        """Leads processes that start from now on; without a leader, none. Returns the leader until now."""
        if sys.platform == "win32":
            return None
        before, self._leader = self._leader, leader
        self._install()
        _wrap_multiprocessing()
        return before

    def account(self) -> str | None:
        return None if self._leader is None else self._leader.account()

    def environment(self, account: str, given: Mapping[Any, Any] | None) -> dict[bytes, bytes]:
        """The variables of a new process: those that are given, else those of this process, and ours."""
        # In an empty context, since a function may have variables of its own.
        variables = Context().run(dict, os.environb) if given is None else given
        found = {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}
        path = found.get(PATH.encode(), b"")
        separator, ours = os.fsencode(os.pathsep), os.fsencode(FOLDER)
        if ours not in path.split(separator):
            found[PATH.encode()] = separator.join(filter(None, (ours, path)))
        found[ACCOUNT.encode()] = os.fsencode(account)
        return found

    def _install(self) -> None:
        if self._installed:
            return
        self._installed = True
        import _posixsubprocess

        fork_exec = _fork_exec(_posixsubprocess.fork_exec)
        _posixsubprocess.fork_exec = fork_exec
        if "subprocess" in sys.modules:
            sys.modules["subprocess"]._fork_exec = fork_exec  # type: ignore[attr-defined]
        for name in ("posix_spawn", "posix_spawnp", "execve"):
            if hasattr(os, name):
                setattr(os, name, _with_environment(getattr(os, name)))
        execve = os.execve
        os.execv = _execv(os.execv, execve)
        os.system = _system(os.system)
        os.register_at_fork(before=self.account, after_in_child=self._forked)

    def _forked(self) -> None:
        if self._leader is not None:
            self._leader.forked()


STARTS = Starts()


class Led:
    """The leader in a child process: its own children go where it goes."""

    def __init__(self, account: str) -> None:
        self._account = account

    def account(self) -> str:
        return self._account

    def forked(self) -> None:
        """The relay works in a fork, too."""


def adopt(account: str | None) -> None:
    """Makes this process a child that calls this account, or that is no longer one."""
    if account is None:
        os.environ.pop(ACCOUNT, None)
    else:
        os.environ[ACCOUNT] = account
    STARTS.follow(None if account is None else Led(account))
    if "http.client" in sys.modules:
        _relay(account)
    else:
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _OnHttp)]
        if account is not None:
            sys.meta_path.insert(0, _OnHttp(account))


def _relay(account: str | None) -> None:
    from pytest_sessionplugin.aws.relay import follow

    follow(account)


class _OnHttp:
    """Loads the relay with the first HTTP client, as botocore does early: other children need not wait for it."""

    def __init__(self, account: str) -> None:
        self._account = account

    def find_spec(self, name: str, path: Iterable[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name != "http.client":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            sys.modules["http"].client = module  # type: ignore[attr-defined]  # as import does, but later
            _relay(self._account)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this one loader, this once
        return spec


# --- the ways to start a process


def _fork_exec(real: Callable[..., int]) -> Callable[..., int]:
    """Of subprocess, asyncio and multiprocessing."""

    def fork_exec(args: Any, files: Any, close: Any, keep: Any, cwd: Any, env: Any, *rest: Any) -> int:
        if (account := STARTS.account()) is not None:
            _wrap_multiprocessing()
            given = None if env is None else dict(each.split(b"=", 1) for each in env)
            env = [b"%s=%s" % each for each in STARTS.environment(account, given).items()]
        return real(args, files, close, keep, cwd, env, *rest)

    return fork_exec


def _with_environment(real: Callable[..., Any]) -> Callable[..., Any]:
    def start(path: Any, argv: Any, env: Any, /, **options: Any) -> Any:
        if (account := STARTS.account()) is not None:
            env = STARTS.environment(account, env)
        return real(path, argv, env, **options)

    return start


def _execv(real: Callable[..., Any], execve: Callable[..., Any]) -> Callable[..., Any]:
    def execv(path: Any, argv: Any, /) -> Any:
        account = STARTS.account()
        return real(path, argv) if account is None else execve(path, argv, Context().run(dict, os.environb))

    return execv


def _system(real: Callable[..., int]) -> Callable[..., int]:
    def system(command: Any) -> int:
        """The shell takes the variables from C: they are there while it runs, and not in os.environ."""
        if (account := STARTS.account()) is None:
            return real(command)
        before = Context().run(dict, os.environb)
        for name, value in STARTS.environment(account, before).items():
            if before.get(name) != value:
                os.putenv(name, value)
        try:
            return real(command)
        finally:
            for name in (ACCOUNT.encode(), PATH.encode()):
                if name in before:
                    os.putenv(name, before[name])
                else:
                    os.unsetenv(name)

    return system


class _Handover:
    """Travels to a process that multiprocessing starts. A fork server may have been started in an earlier test."""

    def __init__(self, account: str | None) -> None:
        self._account = account

    def __reduce__(self) -> tuple[Callable[[str | None], None], tuple[str | None]]:
        return adopt, (self._account,)


def _wrap_multiprocessing() -> None:
    spawn = sys.modules.get("multiprocessing.spawn")
    if spawn is None or hasattr(spawn.get_preparation_data, "real"):
        return
    spawn.get_preparation_data = _preparation(spawn.get_preparation_data)  # type: ignore[attr-defined]


def _preparation(real: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    def get_preparation_data(name: str) -> dict[str, Any]:
        return {**real(name), "sessionplugin": _Handover(STARTS.account())}

    get_preparation_data.real = real  # type: ignore[attr-defined]  # known again by this
    return get_preparation_data
