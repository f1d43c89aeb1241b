"""Runs moto's server in a process of its own, on a free loopback port. moto_lacks.py completes it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rehearsal.moto.environment import ACCESS_KEY, REGION, SECRET_KEY, without_aws

RUNNING = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class MotoServer:
    """An AWS account, empty at first. Its functions never run."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """An environment in which every SDK finds this account and no other."""
        return {
            **without_aws(),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def empty(self) -> None:
        """Empties the account."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 200


@contextlib.contextmanager
def running() -> Iterator[MotoServer]:
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield MotoServer(_url(process))
        finally:
            process.kill()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = RUNNING.search(line)
        if found:
            # a full pipe would stop it: it writes a line for each request
            threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()
            return found[1]
    raise AssertionError(f"moto's server ended before it was ready:\n{said}")
