"""The doctor's account checks: a deployed stage passes, and each later change fails its own check."""

from __future__ import annotations

from typing import Any

import pytest

from deployment.doctor.account.registry import CHECKS
from deployment.doctor.check import Check, Outcome
from tests.rehearsal.doctor import account_breakages, drift_breakages  # noqa: F401 - register their breakages in SPOILT
from tests.rehearsal.doctor.account_breaking import SPOILT, Break
from tests.rehearsal.doctor.standing_stage import Place

pytestmark = pytest.mark.xdist_group("account")
IDS = [one.id for one in CHECKS]
NEVER_WRONG = {"account-identity"}
"""This check reports the account, or why it cannot be asked."""


def test_a_stage_as_it_was_deployed_passes(place: Place) -> None:
    told = place.doctor()
    assert (told.ran.status, told.ran.err, told.failed, told.notes) == (0, "", {}, {})
    assert told.ok == set(IDS)


def test_nothing_is_changed_by_asking(place: Place) -> None:
    place.doctor()
    asked = {one.operation.partition(".")[2] for one in place.commands.calls}
    assert asked
    assert {one for one in asked if not one.startswith(("Get", "Describe", "List"))} == set()


@pytest.mark.parametrize(("which", "outcome", "how", "said"), SPOILT)
def test_what_is_broken_is_told_by_its_check_and_no_other(
    place: Place, which: str, outcome: Outcome, how: Break, said: str
) -> None:
    with how(place):
        told = place.doctor()
    found, others = (told.failed, told.notes) if outcome is Outcome.FAILED else (told.notes, told.failed)
    assert set(found) == {which}, told.ran.out
    assert others == {}
    assert said in " ".join(found[which])
    assert told.ran.status == (1 if outcome is Outcome.FAILED else 0)
    assert "nobody-may-see-me" not in told.ran.out + told.ran.err


def test_what_was_broken_is_mended(place: Place) -> None:
    """Otherwise a test would have seen the breakage of another."""
    told = place.doctor()
    assert (told.failed, told.notes) == ({}, {})


def test_each_check_is_broken_by_some_test() -> None:
    failing = {one.values[0] for one in SPOILT if one.values[1] is Outcome.FAILED}
    assert failing | NEVER_WRONG == set(IDS)
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("one", CHECKS, ids=IDS)
def test_each_check_says_what_it_is_for_and_where_one_reads_of_it(one: Check[Any]) -> None:
    assert one.source.startswith("https://")
    assert one.title
    assert not one.title.endswith(".")
