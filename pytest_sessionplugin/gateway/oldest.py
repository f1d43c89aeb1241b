"""The entry that has been the longest in a mapping whose order is that of time. It changes nothing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

_Entry = TypeVar("_Entry")


def oldest(entries: OrderedDict[str, _Entry]) -> _Entry | None:
    return next(iter(entries.values()), None)
