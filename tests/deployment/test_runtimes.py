"""A stage runs on a runtime that Lambda still maintains and that the package was made for."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib import resources

import pytest

from deployment import runtimes
from deployment.runtimes import RUNTIMES

DAY = timedelta(days=1)
LAST = RUNTIMES["python3.11"]


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_dates_are_those_that_cfn_lint_takes_from_aws(name: str) -> None:
    text = resources.files("cfnlint.data.AdditionalSpecs").joinpath("LmbdRuntimeLifecycle.json").read_text("utf-8")
    assert str(RUNTIMES[name]) == json.loads(text)[name]["deprecated"]


def test_a_maintained_runtime_of_the_interpreter_has_no_problem() -> None:
    assert list(runtimes.problems("python3.11", LAST - DAY, "python3.11")) == []


def test_a_deprecated_runtime_is_refused_from_its_day_on() -> None:
    (said,) = runtimes.problems("python3.11", LAST, "python3.11")
    assert "on 2027-06-30" in said


@pytest.mark.parametrize("runtime", ["python3.8", "nodejs22.x", ""])
def test_a_runtime_without_dates_is_refused(runtime: str) -> None:
    (said,) = runtimes.problems(runtime, LAST - DAY, runtime)
    assert "deployment/runtimes.py" in said


def test_a_runtime_of_another_interpreter_is_refused() -> None:
    (said,) = runtimes.problems("python3.12", LAST - DAY, "python3.11")
    assert "python3.12 and this interpreter python3.11" in said


@pytest.mark.parametrize(("left", "told"), [(180, False), (179, True), (1, True), (0, False), (-1, False)])
def test_a_deprecation_is_announced_less_than_180_days_before(left: int, told: bool) -> None:
    said = list(runtimes.notes("python3.11", LAST - left * DAY))
    assert bool(said) is told
    assert all(f"in {left} days" in one for one in said)


def test_an_unknown_runtime_has_no_notes() -> None:
    assert list(runtimes.notes("python2.7", LAST)) == []
