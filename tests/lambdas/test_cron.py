"""A cron expression names the moments that EventBridge would choose, and refuses what EventBridge refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pytest_sessionplugin.lambdas.cron import Cron, InvalidCron

NOW = datetime(2026, 11, 29, 22, 58, 30, tzinfo=UTC).timestamp()  # a Sunday


def moments(fields: str, count: int = 3, since: float = NOW) -> list[str]:
    cron, found = Cron(f"cron({fields})"), list[str]()
    while len(found) < count and (moment := cron.after(since)) is not None:
        found.append(f"{datetime.fromtimestamp(moment, UTC):%a %Y-%m-%d %H:%M}")
        since = moment
    return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("0 10 * * ? *", ["Mon 2026-11-30 10:00", "Tue 2026-12-01 10:00", "Wed 2026-12-02 10:00"]),
        ("15 12 * * ? *", ["Mon 2026-11-30 12:15", "Tue 2026-12-01 12:15", "Wed 2026-12-02 12:15"]),
        ("0 18 ? * MON-FRI *", ["Mon 2026-11-30 18:00", "Tue 2026-12-01 18:00", "Wed 2026-12-02 18:00"]),
        ("0 8 1 * ? *", ["Tue 2026-12-01 08:00", "Fri 2027-01-01 08:00", "Mon 2027-02-01 08:00"]),
        ("0/15 * * * ? *", ["Sun 2026-11-29 23:00", "Sun 2026-11-29 23:15", "Sun 2026-11-29 23:30"]),
        ("0/5 8-17 ? * mon-fri *", ["Mon 2026-11-30 08:00", "Mon 2026-11-30 08:05", "Mon 2026-11-30 08:10"]),
        ("0 9 ? * 2#1 *", ["Mon 2026-12-07 09:00", "Mon 2027-01-04 09:00", "Mon 2027-02-01 09:00"]),
        ("0 0 ? * 2#5 *", ["Mon 2026-11-30 00:00", "Mon 2027-03-29 00:00", "Mon 2027-05-31 00:00"]),
        ("0 0 L * ? *", ["Mon 2026-11-30 00:00", "Thu 2026-12-31 00:00", "Sun 2027-01-31 00:00"]),
        ("0 0 1,L * ? *", ["Mon 2026-11-30 00:00", "Tue 2026-12-01 00:00", "Thu 2026-12-31 00:00"]),
        ("0 0 ? * 6L *", ["Fri 2026-12-25 00:00", "Fri 2027-01-29 00:00", "Fri 2027-02-26 00:00"]),
        ("0 0 ? * L *", ["Sat 2026-12-05 00:00", "Sat 2026-12-12 00:00", "Sat 2026-12-19 00:00"]),
        ("0 0 3W * ? *", ["Thu 2026-12-03 00:00", "Mon 2027-01-04 00:00", "Wed 2027-02-03 00:00"]),
        ("0 0 1W 5 ? *", ["Mon 2027-05-03 00:00", "Mon 2028-05-01 00:00", "Tue 2029-05-01 00:00"]),
        ("0 0 31W JAN,OCT ? *", ["Fri 2027-01-29 00:00", "Fri 2027-10-29 00:00", "Mon 2028-01-31 00:00"]),
        ("0 0 LW 2 ? *", ["Fri 2027-02-26 00:00", "Tue 2028-02-29 00:00", "Wed 2029-02-28 00:00"]),
        ("0 0 29 2 ? *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00", "Fri 2036-02-29 00:00"]),
        ("0 0 ? * FRI-SUN *", ["Fri 2026-12-04 00:00", "Sat 2026-12-05 00:00", "Sun 2026-12-06 00:00"]),
        ("59 22 29 NOV ? 2026", ["Sun 2026-11-29 22:59"]),
        ("0 0 1 1 ? 2027/2", ["Fri 2027-01-01 00:00", "Mon 2029-01-01 00:00", "Wed 2031-01-01 00:00"]),
        ("58 22 29 11 ? 2026", []),
        ("0 0 30 2 ? *", []),
    ],
)
def test_the_moments_are_those_of_eventbridge(fields: str, expected: list[str]) -> None:
    assert moments(fields) == expected


def test_a_moment_is_not_after_itself() -> None:
    at_noon = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp()
    assert moments("0 12 * * ? *", 1, at_noon - 0.001) == ["Mon 2026-11-30 12:00"]
    assert moments("0 12 * * ? *", 1, at_noon) == ["Tue 2026-12-01 12:00"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("0 3 * * *", "it has six fields"),
        ("0 0 * * * *", "of day of the month and day of the week, one is ?"),
        ("0 0 ? * ? *", "of day of the month and day of the week, one is ?"),
        ("0 25 * * ? *", "hours '25' is not from 0 to 23"),
        ("60 0 * * ? *", "minutes '60' is not from 0 to 59"),
        ("0 0 0 * ? *", "day of the month '0' is not from 1 to 31"),
        ("0 0 W * ? *", "day of the month '' is not from 1 to 31"),
        ("0 0 ? * 8 *", "day of the week '8' is not from 1 to 7"),
        ("0 0 ? * 2#6 *", "day of the week '2#6' needs a number from 1 to 5 after the #"),
        ("0 0 * JUNI ? *", "month 'JUNI' is not from 1 to 12"),
        ("0 0 * * ? 1969", "year '1969' is not from 1970 to 2199"),
        ("0/0 0 * * ? *", "minutes '0/0' needs a number from 1 after the slash"),
        ("1- 0 * * ? *", "minutes '' is not from 0 to 59"),
        (", 0 * * ? *", "minutes '' is not from 0 to 59"),
        ("² 0 * * ? *", "minutes '²' is not from 0 to 59"),
    ],
)
def test_what_eventbridge_refuses_is_refused_with_the_field(fields: str, why: str) -> None:
    with pytest.raises(InvalidCron) as refused:
        Cron(f"cron({fields})")
    assert str(refused.value).startswith(why)


def test_expressions_that_are_the_same_are_equal() -> None:
    """So that `serve` lets an unchanged schedule go on."""
    assert {Cron("cron(0 0 * * ? *)")} == {Cron("cron(0 0 * * ? *)")} != {Cron("cron(1 0 * * ? *)")}
