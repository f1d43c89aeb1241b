"""What moto (5.1 to 5.2) keeps of what nobody has any more, and need not: a server that runs for hours would grow.

Each model that was ever made is in a list of its class, for a dashboard that is not here: a publish left some ten
copies of rows. A partition without rows stays among the partitions of its table. Changes no answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import responses
from moto.core.common_models import BaseModel
from moto.dynamodb.models.table import Table
from requests.adapters import HTTPAdapter

from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.aws.interceptor import NotEmulated


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


@contextmanager
def queries_by_partition() -> Iterator[None]:
    """In the block; to be entered and used by one emulator at a time, under its lock."""
    moto: Any = Table
    query = moto.query

    def by_partition(table: Any, hash_key: Any, *args: Any, **named: Any) -> Any:
        table.all_items = lambda: _partition(table, hash_key)
        try:
            return query(table, hash_key, *args, **named)
        finally:
            del table.all_items

    def chosen(table: Any, hash_key: Any, *args: Any, **named: Any) -> Any:
        of_index = named.get("index_name") or (len(args) > _BEFORE_INDEX and args[_BEFORE_INDEX])
        return (query if of_index else by_partition)(table, hash_key, *args, **named)

    moto.query = chosen
    try:
        yield
    finally:
        moto.query = query


_BEFORE_INDEX = 6  # arguments of Table.query between hash_key and index_name


def _partition(table: Any, hash_key: Any) -> list[Any]:
    found = table.items.get(hash_key)
    if found is None:
        return []
    return list(found.values()) if table.range_key_attr else [found]


POSTING = ("moto.sns.models", "moto.firehose.models")


class _Requests:
    """The module `requests` as they see it."""

    def post(self, url: str, **arguments: Any) -> Any:
        mocked = HTTPAdapter.send is not responses._real_send
        if HOOK.interceptor is not None and not mocked and not on_loopback(url):
            raise NotEmulated(f"it posts to {url}, and nothing leaves this machine: mock that with responses.")
        return requests.post(url, **arguments)  # noqa: S113 - the time-out is the caller's

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)


def keep_here() -> None:
    """To be asked before each call: moto imports a service when it is first called."""
    for name in POSTING:
        module: Any = sys.modules.get(name)
        if module is not None and module.requests is requests:
            module.requests = _Requests()
