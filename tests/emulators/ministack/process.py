"""Runs MiniStack in a process of its own, on loopback; nothing is kept after it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.emulators.ministack import workarounds
from tests.emulators.ministack.workarounds import MENDED
from tests.processes import ROOT, free_port

PYTHON = ROOT / ".venv-ministack" / "bin" / "python"
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"
READY_SECONDS = 30.0
ANSWER_SECONDS = 5.0

# Kills the group when its parent is gone, however that ended: standard input closes then.
GUARD = """
import os, signal, subprocess, sys, threading

server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: (sys.stdin.read(), os.killpg(0, signal.SIGKILL)), daemon=True).start()
sys.exit(server.wait())
"""


class Process:
    """Runs until closed; functions run in its child processes. `mended` applies the workarounds inside MiniStack."""

    def __init__(self, *, mended: bool = False) -> None:
        if not PYTHON.is_file():
            raise FileNotFoundError("MiniStack is not installed here: make .venv-ministack/.ready")
        self._folder = tempfile.TemporaryDirectory(prefix="ministack-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name) / "log"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    GUARD,
                    str(PYTHON),
                    workarounds.__file__,
                    *([MENDED] if mended else []),
                ],
                cwd=self._folder.name,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, so that its functions end with it
            )
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def aws(self) -> dict[str, str]:
        """Environment of a process that may reach the package index, and no AWS but this one."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
        return inherited | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CONFIG_FILE": f"{self._folder.name}/none",
            "AWS_SHARED_CREDENTIALS_FILE": f"{self._folder.name}/none",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def execute_api(self, api: str, stage: str) -> str:
        """The HTTP URL of a stage of API Gateway."""
        return f"{self.url}/_aws/execute-api/{api}/{stage}"

    def answers(self) -> bool:
        """Whether it is alive and answers."""
        if self._process.poll() is not None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def log(self) -> str:
        """The end of the output of MiniStack and its functions."""
        return self._log.read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """Kills it and its functions: they have nothing to save."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._folder.cleanup()

    def _wait(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while not self.answers():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.05)
                raise RuntimeError(f"MiniStack ended before it was ready:\n{self.log()}")
            if time.monotonic() > until:
                raise RuntimeError(f"MiniStack was not ready within {READY_SECONDS:.0f} s:\n{self.log()}")

    def _environment(self) -> dict[str, str]:
        """The environment that its functions inherit: nothing of ours, and no route out of this machine."""
        nowhere = "http://127.0.0.1:9"  # the port of `discard`, where nothing listens
        return {
            "PATH": os.environ["PATH"],
            "HOME": self._folder.name,
            "TMPDIR": self._folder.name,
            "STATE_DIR": self._folder.name,
            "AUTH": "true",  # IAM is enforced, as on AWS
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "DOCKER_HOST": f"unix://{self._folder.name}/none.sock",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1,localhost",
        }
