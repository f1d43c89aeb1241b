"""The command on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.emulators.moto_server import REGION, without_aws
from tests.processes import ROOT


def test_the_command_tells_its_refusals_on_a_terminal_without_a_traceback() -> None:
    """A real terminal and a process of its own, where nothing else catches errors."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "deployment", "deploy", "--stage", "dev"],
        cwd=ROOT,
        env={**without_aws(), "AWS_DEFAULT_REGION": REGION},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = everything(ours)
        assert process.wait(timeout=30) == 1
    checks, refusal = said.splitlines()
    assert checks.endswith(" 0 failed")
    assert refusal == "AWS does not say who we are, check the credentials: Unable to locate credentials"


def everything(end: int) -> str:
    """Everything written to a terminal until it is closed."""
    said = b""
    with open(end, "rb", buffering=0) as terminal:
        while True:
            try:
                read = terminal.read(4096)
            except OSError:  # Linux reports the closed end this way
                break
            if not read:
                break
            said += read
    return said.decode()
