"""What moto (5.1 to 5.2) keeps of what nobody has any more, and need not: a server that runs for hours would grow.

Each model that was ever made is in a list of its class, for a dashboard that is not here: a publish left some ten
copies of rows. A partition without rows stays among the partitions of its table. Changes no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.common_models import BaseModel
from moto.dynamodb.models.table import Table


@contextmanager
def nothing_kept() -> Iterator[None]:
    """In the block; to be entered and used by one emulator at a time, under its lock."""
    model: Any = BaseModel
    table: Any = Table
    tracked, get_item, delete_item = model.__dict__["__new__"], table.get_item, table.delete_item
    model.__new__ = staticmethod(_untracked(tracked.__func__))
    table.get_item, table.delete_item = _swept(get_item), _swept(delete_item)
    try:
        yield
    finally:
        model.__new__ = tracked
        table.get_item, table.delete_item = get_item, delete_item


_LISTS_ARE_READ = "moto.s3."
"""By moto itself, to close the files that objects of S3 are."""


def _untracked(tracked: Callable[..., Any]) -> Callable[..., Any]:
    def new(kind: Any, *args: Any, **named: Any) -> Any:
        if kind.__module__.startswith(_LISTS_ARE_READ):
            return tracked(kind, *args, **named)
        return super(BaseModel, kind).__new__(kind)

    return new


def _swept(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method of a table, after which the partition that it was about is there only if it has rows."""

    def sweeping(table: Any, hash_key: Any, *args: Any, **named: Any) -> Any:
        try:
            return method(table, hash_key, *args, **named)
        finally:
            if table.has_range_key and not table.items.get(hash_key, True):
                del table.items[hash_key]

    return sweeping
