"""Snapshots of moto's data (5.1 to 5.2), put in place at the start of each test.

A snapshot is a deep copy. moto's models are not made for that: some hold locks, an object of S3 holds an open file that
moto closes at its next reset, and two of its dictionaries lose entries. `_copying` says how these are copied.
"""

from __future__ import annotations

import copy
import copyreg
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.core.base_backend import AccountSpecificBackend, BackendDict, backend_lock
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data


@dataclass(frozen=True)
class _Service:
    """The data of one service."""

    backends: Any  # moto's BackendDict
    accounts: Mapping[str, Any]  # account -> its backends by region
    buckets: Mapping[str, Any]  # name of a bucket -> its account, which S3 keeps beside its backends


class Snapshot:
    """moto's data as they are now."""

    def __init__(self) -> None:
        self._services = _copied(_present())

    def put_in_place(self) -> None:
        """Replaces moto's data by a copy of the snapshot."""
        _put_in_place(_copied(self._services))


@contextmanager
def aside() -> Iterator[None]:
    """moto without its data and with its default settings; both come back when the block ends."""
    settings: Any = default_user_config
    with backend_lock:
        services, config = _present(), dict(settings)
        _put_in_place([])
    try:
        yield
    finally:
        with backend_lock:
            settings.clear()
            settings.update(config)
            BackendDict.reset()  # closes the open files that are S3's objects
            _put_in_place(services)
            reset_model_data()  # forgets all models that were made meanwhile


def empty() -> None:
    """Removes moto's data, and closes the open files that are S3's objects."""
    with backend_lock:
        BackendDict.reset()
        _put_in_place([])


def _instances() -> list[Any]:
    """The BackendDict of each service that holds any data."""
    kind: Any = BackendDict  # its list of itself is not typed
    instances: list[Any] = kind._instances
    return instances


def _buckets(backends: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(backends, "bucket_accounts", {})
    return found


def _present() -> list[_Service]:
    with backend_lock:
        return [_Service(each, dict(each), dict(_buckets(each))) for each in _instances()]


def _put_in_place(services: list[_Service]) -> None:
    with backend_lock:
        for backends in _instances():
            backends.clear()
            _buckets(backends).clear()
        _instances().clear()
        for service in services:
            service.backends.update(service.accounts)
            _buckets(service.backends).update(service.buckets)
            _instances().append(service.backends)


# --- copies


def _copied(services: list[_Service]) -> list[_Service]:
    """A deep copy; objects that are shared in the original are shared in the copy."""
    memo: dict[int, Any] = {}

    def account(backends: AccountSpecificBackend[Any]) -> AccountSpecificBackend[Any]:
        new = copy.copy(backends)
        for region, backend in backends.items():
            new[region] = copy.deepcopy(backend, memo)
        return new

    with _copying():
        return [
            _Service(
                each.backends, {account_id: account(of) for account_id, of in each.accounts.items()}, dict(each.buckets)
            )
            for each in services
        ]


_LOCKS = {type(make()): make for make in (threading.Lock, threading.RLock, threading.Condition)}


@contextmanager
def _copying() -> Iterator[None]:
    """Python's table of ways to copy, with those of moto's models, for the block."""
    ways: dict[type, Any] = {kind: lambda _, make=make: (make, ()) for kind, make in _LOCKS.items()}
    if (s3 := sys.modules.get("moto.s3.models")) is not None:
        ways[s3.FakeKey] = lambda key: (_StoredObject, (type(key),), key.__getstate__())
        ways[s3._VersionedKeyStore] = lambda store: (_key_store, (type(store), dict(store.lists())))
    if (ssm := sys.modules.get("moto.ssm.models")) is not None:
        ways[ssm.ParameterDict] = _parameters
    table: dict[type, Any] = copyreg.dispatch_table
    before = dict(table)
    table.update(ways)
    try:
        yield
    finally:
        for kind in ways.keys() - before.keys():
            del table[kind]


class _StoredObject:
    """An object of S3 in a snapshot: its state with its bytes, and no open file. Its copy is moto's model again."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = memo[id(self)] = self._kind.__new__(self._kind)
        made.__setstate__(copy.deepcopy(self._state, memo))
        return made

    def dispose(self) -> None:
        """There is no file to close. moto calls this for the parts of every upload."""


def _key_store(kind: Any, versions: Mapping[str, list[Any]]) -> Any:
    """The objects of a bucket. As a dictionary it shows only the last version of each."""
    store = kind()
    for key, each in versions.items():
        store.setlist(key, each)
    return store


def _parameters(parameters: Any) -> Any:
    """Parameters of SSM: a defaultdict whose constructor takes other arguments."""
    arguments = parameters.account_id, parameters.region_name
    return type(parameters), arguments, vars(parameters), None, iter(dict.items(parameters))
