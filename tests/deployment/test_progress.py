"""The progress of a command: on a terminal while steps run, elsewhere one line after each."""

from __future__ import annotations

import io
import re

import pytest

from deployment.errors import DeploymentError
from deployment.progress import CLEAR, Progress
from tests.deployment.scripted import Terminal

SECONDS = r"\(\d+\.\d s\)"
END = re.escape(CLEAR)


def test_a_terminal_sees_a_step_at_once_and_its_outcome_in_the_same_line() -> None:
    out = Terminal()
    with Progress(out).step("tables") as step:
        assert out.getvalue() == "  tables …"
        step.detail("not asked for")
        step.note("made")
    assert re.fullmatch(rf"  tables …\r  tables: made {SECONDS}{END}\n", out.getvalue())


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
    assert out.getvalue().endswith(f"s){CLEAR}\n")
    assert "\r  tables: failed (" in out.getvalue()


def test_a_terminal_sees_how_far_a_step_is() -> None:
    out = Terminal()
    with Progress(out).step("stage") as step:
        step.status("1 of 12")
        step.status("2 of 12")
    assert out.getvalue().startswith(f"  stage …\r  stage … 1 of 12{CLEAR}\r  stage … 2 of 12{CLEAR}\r  stage: done (")


@pytest.mark.parametrize(("out", "verbose"), [(io.StringIO(), False), (Terminal(), True)], ids=["log", "verbose"])
def test_other_outputs_get_no_status(out: io.StringIO, verbose: bool) -> None:
    with Progress(out, verbose=verbose).step("stage") as step:
        before = out.getvalue()
        step.status("1 of 12")
        assert out.getvalue() == before
