"""Cron expressions of EventBridge and the moments that they name, in UTC.

Source: "Setting a schedule pattern for scheduled rules (legacy)" in the EventBridge user guide.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"), 1)}
_LAST_YEAR = 2199


class InvalidCron(ValueError):
    """EventBridge refuses the expression; the text says why."""


@dataclass(frozen=True)
class _Field:
    """A field of an expression and the numbers that it may name."""

    name: str
    first: int
    last: int
    names: Mapping[str, int]

    def numbers(self, text: str) -> frozenset[int]:
        """The numbers that a field without L, W or # stands for."""
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, part: str) -> Iterator[int]:
        span, slash, step = part.partition("/")
        start, dash, end = span.partition("-")
        if span in ("*", "") and not dash and (span or slash):
            first, last = self.first, self.last
        else:
            first = self.number(start)
            last = self.number(end) if dash else self.last if slash else first
        if slash and not (step.isascii() and step.isdecimal() and int(step)):
            raise InvalidCron(f"{self.name} {part!r} needs a number from 1 after the slash")
        if last < first:  # as in FRI-MON
            last += self.last - self.first + 1
        for number in range(first, last + 1, int(step) if slash else 1):
            yield number if number <= self.last else number - (self.last - self.first + 1)

    def number(self, text: str) -> int:
        found = self.names.get(text.capitalize())
        if found is None and text.isascii() and text.isdecimal() and len(text) <= 4:
            found = int(text)
        if found is None or not self.first <= found <= self.last:
            raise InvalidCron(f"{self.name} {text!r} is not from {self.first} to {self.last}")
        return found


_FIELDS = (
    _Field("minutes", 0, 59, {}),
    _Field("hours", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 1, 7, _DAYS),
    _Field("year", 1970, _LAST_YEAR, {}),
)


class Cron:
    """A cron expression, as `cron(0 3 * * ? *)`. Raises InvalidCron for one that EventBridge refuses."""

    def __init__(self, expression: str) -> None:
        match = re.fullmatch(r"cron\((.*)\)", expression, re.DOTALL | re.IGNORECASE)
        fields: list[str] = match[1].split() if match else []
        if len(fields) != len(_FIELDS):
            raise InvalidCron("it has six fields: minutes, hours, day of the month, month, day of the week, year")
        minutes, hours, self._day, months, self._weekday, years = fields
        if (self._day == "?") == (self._weekday == "?"):
            raise InvalidCron("of day of the month and day of the week, one is ? and the other one is not")
        self.expression = expression
        self._minutes, self._hours = (sorted(_FIELDS[at].numbers(text)) for at, text in ((0, minutes), (1, hours)))
        self._months, self._years = _FIELDS[3].numbers(months), sorted(_FIELDS[5].numbers(years))
        self._days_of(2000, 1)  # refuses a wrong day at once

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cron) and other.expression == self.expression

    def __hash__(self) -> int:
        return hash(self.expression)

    def __repr__(self) -> str:
        return f"Cron({self.expression!r})"

    def after(self, moment: float) -> float | None:
        """The first moment after this one, both in seconds since the epoch; None if there is no other."""
        then = datetime.fromtimestamp(moment, UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(then.date()):
            for hour in self._hours:
                for minute in self._minutes:
                    found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if found >= then:
                        return found.timestamp()
        return None

    def _days(self, since: date) -> Iterator[date]:
        for year in self._years:
            for month in sorted(self._months):
                if (year, month) >= (since.year, since.month):
                    days = (date(year, month, day) for day in sorted(self._days_of(year, month)))
                    yield from (day for day in days if day >= since)

    def _days_of(self, year: int, month: int) -> set[int]:
        last = calendar.monthrange(year, month)[1]
        if self._weekday == "?":
            days = {day for part in self._day.split(",") for day in self._of_month(part, year, month, last)}
        else:
            days = {day for part in self._weekday.split(",") for day in self._of_week(part, year, month, last)}
        return {day for day in days if 1 <= day <= last}

    def _of_month(self, part: str, year: int, month: int, last: int) -> frozenset[int]:
        field = _FIELDS[2]
        if part == "L":
            return frozenset({last})
        if part == "LW":
            return frozenset({_nearest_weekday(year, month, last, last)})
        if part.endswith("W"):
            day = field.number(part[:-1])
            return frozenset({_nearest_weekday(year, month, day, last)}) if day <= last else frozenset()
        return field.numbers(part)

    def _of_week(self, part: str, year: int, month: int, last: int) -> frozenset[int]:
        field = _FIELDS[4]
        if "#" in part:
            name, _, count = part.partition("#")
            if count not in ("1", "2", "3", "4", "5"):
                raise InvalidCron(f"{field.name} {part!r} needs a number from 1 to 5 after the #")
            there = _on(field.number(name), year, month, last)
            return frozenset(there[int(count) - 1 : int(count)])
        if part == "L":
            part = "7"
        elif part.endswith("L"):
            return frozenset(_on(field.number(part[:-1]), year, month, last)[-1:])
        return frozenset(day for each in field.numbers(part) for day in _on(each, year, month, last))


def _on(weekday: int, year: int, month: int, last: int) -> list[int]:
    """The days of a month on this day of the week; 1 is Sunday."""
    first = 1 + (weekday - 2 - calendar.weekday(year, month, 1)) % 7
    return list(range(first, last + 1, 7))


def _nearest_weekday(year: int, month: int, day: int, last: int) -> int:
    """The day from Monday to Friday that is nearest, in the same month."""
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day
