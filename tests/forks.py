"""Python processes that begin with the libraries in memory, as forks of a server that has imported them.

A new interpreter spends most of a short run on these imports. Modules of the plugin and of a project are imported by
each process itself. This file overrides methods of `subprocess.Popen` that are internal.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import inspect
import io
import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from multiprocessing import spawn
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any, AnyStr

LIBRARIES = (
    "boto3.dynamodb.transform",
    "botocore.client",
    "chalice.app",
    "chalice.config",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "h11",
    "jwt",
    "moto.dynamodb.responses",
    "moto.dynamodbstreams.models",
    "moto.iam.models",
    "pytest",
    "websockets.sync.client",
    "yaml",
)


class Fork(subprocess.Popen[AnyStr]):
    """A `Popen` of the command `[sys.executable, "-m", module, …]`.

    SIGINT interrupts it as from a terminal, even where it is ignored in this process.
    """

    def _execute_child(self, *given: Any) -> None:
        called = inspect.signature(subprocess.Popen._execute_child).bind(self, *given).arguments  # type: ignore[attr-defined]
        executable, option, *arguments = called["args"]
        assert (executable, option) == (sys.executable, "-m")
        streams = [called["p2cread"], called["c2pwrite"], called["errwrite"]]
        self._process = _server().Process(
            target=_become,
            kwargs={
                "arguments": arguments,
                "folder": os.fspath(called["cwd"] or os.getcwd()),
                "environ": dict(called["env"] or os.environ),
                "streams": [Connection(os.dup(number if each == -1 else each)) for number, each in enumerate(streams)],
                "path": _path(),
                "is_new_session": called["start_new_session"],
            },
        )
        try:
            with _unled():
                self._process.start()
        finally:
            self._close_pipe_fds(*(called[name] for name in PIPES))  # type: ignore[attr-defined]
        self.pid = self._process.pid or 0
        self._child_created = True

    def _try_wait(self, flags: int) -> tuple[int, int]:
        self._process.join(0 if flags & os.WNOHANG else None)
        status = self._process.exitcode
        if status is None:
            return 0, 0
        return self.pid, -status if status < 0 else status << 8

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid == self.pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def run(
    command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Runs the command of a fork, without input, as `subprocess.run` does. Raises TimeoutExpired."""
    pipe = subprocess.PIPE
    with Fork(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


@functools.cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES, __name__])  # one that is not installed is passed over
    with _unled():
        ensure_running()
    return context


@contextlib.contextmanager
def _unled() -> Iterator[None]:
    """Keeps the plugin of this process, which leads the processes that it starts to its account, out of a process."""
    starts = sys.modules.get("pytest_sessionplugin.children.starts")
    leader = starts.STARTS.follow(None) if starts and starts.STARTS.account() else None
    prepare = spawn.get_preparation_data
    spawn.get_preparation_data = getattr(prepare, "real", prepare)
    try:
        yield
    finally:
        spawn.get_preparation_data = prepare
        if starts and leader:
            starts.STARTS.follow(leader)


@functools.cache
def _path() -> list[str]:
    """The path of a new interpreter, without its working directory and PYTHONPATH."""
    command = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path: list[str] = json.loads(subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True).stdout)
    return path


def _become(
    arguments: list[str],
    folder: str,
    environ: dict[str, str],
    streams: list[Connection],
    path: list[str],
    is_new_session: bool,
) -> None:
    """Turns this fork into what a new interpreter would be, and runs the module."""
    gc.freeze()  # each collection would look at what the libraries made
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    if is_new_session:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.stdin, sys.stdout, sys.stderr = _opened(0), _opened(1), _opened(2)
    sys.dont_write_bytecode = bool(environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:] = [folder, *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep)), *path]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    multiprocessing.set_start_method(None, force=True)
    with contextlib.suppress(ImportError):
        importlib.import_module("sitecustomize")
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)  # as an interpreter ends


def _opened(number: int) -> io.TextIOWrapper:
    """Opens a standard stream as an interpreter does, with the encoding of the server's."""
    before = (sys.__stdin__, sys.__stdout__, sys.__stderr__)[number]
    assert before is not None
    is_unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    return io.TextIOWrapper(
        open(number, "wb" if number else "rb", 0 if is_unbuffered and number else -1, closefd=False),
        before.encoding,
        before.errors,
        line_buffering=not is_unbuffered and (number == 2 or os.isatty(number)),
        write_through=is_unbuffered,
    )
