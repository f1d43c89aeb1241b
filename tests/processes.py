"""Servers as a user starts them: each in its own process, on free ports."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Served:
    """A server that is ready: its URLs, a token that it accepts, and its process."""

    http: str
    websocket: str
    token: str
    process: subprocess.Popen[str]
    control: str | None = None
    aws: Mapping[str, str] = field(default_factory=dict)  # credentials that it accepts

    def resident_bytes(self) -> int:
        """Resident memory of the process, by Linux's count."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found.group(1)) * 1024

    def ask_to_stop(self, by: signal.Signals = signal.SIGINT) -> int:
        """Sends a signal and returns the exit status. Raises TimeoutExpired."""
        self.process.send_signal(by)
        return self.process.wait(timeout=20)


@contextlib.contextmanager
def sessionplugin_serve(
    project: Path = ROOT, *options: str, start: type[subprocess.Popen[str]] = subprocess.Popen
) -> Iterator[Served]:
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(project), "--json", *options]
    with process([*command, "--http-port", "0", "--websocket-port", "0"], start=start) as started:
        assert started.stdout is not None
        said = json.loads(started.stdout.readline() or "{}")
        assert said, "the server ended before it was ready"
        yield Served(said["http"], said["websocket"], said["token"], started, said.get("control"), said["aws"])


@contextlib.contextmanager
def chalice_local(environment: Mapping[str, str] | None = None, project: Path = ROOT) -> Iterator[str]:
    """Runs `chalice local` for a project; yields its URL."""
    port = free_port()
    chalice = Path(sys.executable).with_name("chalice")
    command = [str(chalice), "--project-dir", str(project), "local", "--port", str(port), "--no-autoreload"]
    with process(command, environment) as started:
        assert started.stdout is not None
        for line in started.stdout:
            if line.startswith("Serving on"):
                break
        else:
            raise AssertionError("chalice local ended before it was ready")
        drain = threading.Thread(target=lambda: [None for _ in started.stdout or ()], daemon=True)
        drain.start()
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def process(
    command: list[str],
    environment: Mapping[str, str] | None = None,
    *,
    start: type[subprocess.Popen[str]] = subprocess.Popen,
) -> Iterator[subprocess.Popen[str]]:
    """Starts a process whose standard output the caller reads, and kills it at the end of the block."""
    environ = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
    started = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(started.stderr or ()), daemon=True)
    reader.start()
    try:
        yield started
    except AssertionError as error:
        started.kill()
        reader.join(5)
        raise AssertionError(f"{error}\n{''.join(errors[-40:])}") from error
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(10)
        reader.join(5)
        for stream in (started.stdout, started.stderr):
            if stream is not None:
                stream.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetched(url: str, authorization: str | None = None, method: str = "GET") -> tuple[int, Any]:
    """Status and JSON of the answer, refusals included."""
    headers = {} if authorization is None else {"Authorization": authorization}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - loopback
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
