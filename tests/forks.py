"""Python processes that begin with the libraries in memory, as forks of a server that has imported them.

A new interpreter spends most of a short run on these imports. Modules of the plugin and of a project are imported by
each process itself.
"""

from __future__ import annotations

import functools
import gc
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path

LIBRARIES = (
    "boto3",
    "botocore.client",
    "chalice.app",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "h11",
    "jwt",
    "moto.dynamodb.models",
    "pytest",
    "websockets.sync.client",
    "yaml",
)


def run_module(
    module: str, arguments: list[str], *, folder: Path, environ: Mapping[str, str], outputs: Path, seconds: float
) -> int:
    """Returns the status of `python -m module` in `folder`. Raises TimeoutError.

    Its output is in the files stdout and stderr of `outputs`.
    """
    process = _server().Process(target=_become, args=(module, arguments, folder, dict(environ), outputs, _path()))
    process.start()
    try:
        process.join(seconds)
        if process.exitcode is None:
            raise TimeoutError(f"python -m {module} {' '.join(arguments)} has not ended in {seconds} s")
        return process.exitcode
    finally:
        process.kill()
        process.join()
        process.close()


@functools.cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LIBRARIES, __name__])  # one that is not installed is passed over
    return context


@functools.cache
def _path() -> list[str]:
    """The path of a new interpreter, without its working directory and PYTHONPATH."""
    command = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.path[1:]))"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path: list[str] = json.loads(subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True).stdout)
    return path


def _become(
    module: str, arguments: list[str], folder: Path, environ: dict[str, str], outputs: Path, path: list[str]
) -> None:
    """Turns this fork into what a new interpreter would be."""
    gc.freeze()  # each collection would look at what the libraries made
    for number, file, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, outputs / "stdout", os.O_WRONLY | os.O_CREAT),
        (2, outputs / "stderr", os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(file, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  open until the end
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.dont_write_bytecode = bool(environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:] = [os.getcwd(), *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep)), *path]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    multiprocessing.set_start_method(None, force=True)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
