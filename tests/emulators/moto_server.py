"""Runs moto's server in a process of its own, on a free loopback port."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

REGION = "eu-central-1"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "made-up-and-never-checked"
NOWHERE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
RUNNING = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


def without_aws() -> dict[str, str]:
    """This process's environment without account, region or any route to AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **NOWHERE, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


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
