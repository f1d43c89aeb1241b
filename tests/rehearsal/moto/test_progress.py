"""The progress of a command: on a terminal while steps run, elsewhere one line after each."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from deployment.errors import DeploymentError
from deployment.progress import Progress
from tests.processes import ROOT
from tests.rehearsal.moto.environment import REGION, without_aws

SECONDS = r"\(\d+\.\d s\)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_step_at_once_and_its_outcome_in_the_same_line() -> None:
    out = Terminal()
    with Progress(out).step("tables") as step:
        assert out.getvalue() == "  tables …"
        step.detail("not asked for")
        step.note("made")
    assert re.fullmatch(rf"  tables …\r  tables: made {SECONDS}\n", out.getvalue())


def test_a_log_sees_each_step_in_a_line_when_it_is_over() -> None:
    out = io.StringIO()
    with Progress(out).step("tables"):
        assert out.getvalue() == ""
    assert re.fullmatch(rf"  tables: done {SECONDS}\n", out.getvalue())


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()], ids=["terminal", "log"])
def test_details_that_are_asked_for_stand_between_a_step_and_its_outcome(out: io.StringIO) -> None:
    with Progress(out, verbose=True).step("functions") as step:
        step.detail("Creating one")
    assert re.fullmatch(rf"  functions …\n    Creating one\n  functions: done {SECONDS}\n", out.getvalue())


def test_a_step_that_fails_says_so_and_lets_its_error_through() -> None:
    out = Terminal()
    with pytest.raises(DeploymentError, match="no"), Progress(out).step("tables"):
        raise DeploymentError("no")
    assert out.getvalue().endswith("s)\n")
    assert "\r  tables: failed (" in out.getvalue()


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
