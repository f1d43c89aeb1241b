"""Time as the service keeps it, and as JSON and the tables show it. Reads no clock."""

from __future__ import annotations

from datetime import datetime, timezone


def whole_milliseconds(moment: datetime) -> datetime:
    """Time as the service keeps it: UTC, to the millisecond."""
    moment = moment.astimezone(timezone.utc)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T14:29:55.123Z`: of fixed width, so that text order is time order."""
    return whole_milliseconds(moment).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_rfc3339(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
