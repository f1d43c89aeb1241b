"""AWS emulated by moto (5.1 to 5.2) in this process, with tables that start every opening as after their first set-up.

No mock of moto is started. Calls go to moto's dispatcher under one lock, without which it loses concurrent updates.
Its data are put in place for an opening and taken out afterwards, so that a `mock_aws` of another team, around the
opening or inside it, finds everything as it expects.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import metadata
from traceback import walk_tb
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from moto.core.base_backend import AccountSpecificBackend, BackendDict, backend_lock
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.dynamodb.models import dynamodb_backends

from pytest_sessionplugin.aws import environment, tables, wire
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.hook import HOOK, Outlived
from pytest_sessionplugin.aws.interceptor import Interceptor, NotEmulated
from pytest_sessionplugin.aws.moto import patches
from pytest_sessionplugin.aws.moto.contents import MotoSources, TimedRows
from pytest_sessionplugin.aws.tables import Tables
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.errors import BlockedCall, UnknownName

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.dynamodb import Rows
    from pytest_sessionplugin.aws.faults import TakePicture
    from pytest_sessionplugin.aws.templates import TableSpec


OUTLIVED = Outlived(mocked=lambda: botocore_stubber.enabled)

NeighbourTables = Callable[[str | os.PathLike[str]], Tables]
"""Folder of another project -> its tables."""

Contents = list[tuple[Any, dict[str, Any]]]
"""The data of moto: each service's BackendDict, with its backends by account."""


@dataclass(frozen=True)
class Picture:
    """A table as it was once."""

    name: str
    table: Any


@dataclass(frozen=True)
class Aws:
    """An emulated AWS that is open, as one project sees it."""

    door: Interceptor
    tables: Tables
    region: str
    sources: MotoSources
    rows: Rows
    picture: TakePicture
    beside: Callable[[Mapping[str, TableSpec], str], Aws]
    """Creates the tables of another project, by its specs, in its region: the same AWS as that project sees it."""


class Emulated:
    """A fake AWS with tables in it. Each opening starts as the first one did after set-up.

    `endpoint` is the URL, on loopback, of a real DynamoDB that replaces the one in memory.
    """

    def __init__(
        self,
        specs: Mapping[str, TableSpec],
        seed: tables.Seed | None = None,
        region: str = environment.REGION,
        endpoint: str | None = None,
    ) -> None:
        self._specs = specs
        self._seed = seed or {}
        self._region = region
        self._endpoint = endpoint
        self._let_through = frozenset({urlsplit(endpoint).netloc} if endpoint else ())
        self._lock = threading.RLock()
        self._is_open = False
        self._pristine: Contents | None = None
        self._tables: dict[str, Any] = {}
        self._clients: dict[str, tuple[Any, MotoSources]] = {}  # by region
        self._session = patches.DefaultSession()

    @contextmanager
    def open(
        self,
        calls: Calls | None = None,
        faults: Faults | None = None,
        neighbours: NeighbourTables | None = None,
    ) -> Iterator[Aws]:
        """Needs the environment of `environment.neutral`. One at a time is open in a process."""
        calls = Calls() if calls is None else calls
        faults = Faults(picture=self.picture) if faults is None else faults
        door = Interceptor(self._emulate, calls, faults, OUTLIVED, self._let_through)
        with self._in_place(), door.open(), self._opened():
            if self._pristine is None:
                self._set_up()
                self._pristine = _copied(_contents())
            else:
                _put_in(_copied(self._pristine))
            yield self._aws(door, neighbours, self._tables, self._region)

    def picture(self, table: str, index: str | None) -> tuple[str, Picture]:
        """The real name of a table, given by that or its logical name, and its state. Raises UnknownName."""
        there = self._moto_tables()
        name = self._specs[table]["TableName"] if table in self._specs else table
        with self._lock:
            if name not in there:
                raise UnknownName("table", table, tuple(dict.fromkeys([*self._specs, *there])))
            indexes = [each.name for each in (*there[name].global_indexes, *there[name].indexes)]
            if index not in (indexes if index is not None else (None,)) or not indexes:
                raise UnknownName(f"index of {table} named", index or "", indexes)
            return name, Picture(name, copy.deepcopy(there[name]))

    # --- opening

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        with (
            patches.mock_started(),
            _aside(),
            self._session.in_place(),
            patches.queries_by_partition(),
            patches.nothing_kept(),
        ):
            yield

    @contextmanager
    def _opened(self) -> Iterator[None]:
        self._is_open = True
        try:
            yield
        finally:
            self._is_open = False

    def _set_up(self) -> None:
        dynamodb, sources = self._clients_in(self._region)
        tables.create(self._specs, self._seed, dynamodb)
        self._tables = tables.named(self._specs, dynamodb)
        sources.remember_seed([str(spec["TableName"]) for spec in self._specs.values()])

    def _aws(self, door: Interceptor, neighbours: NeighbourTables | None, named: Mapping[str, Any], region: str) -> Aws:
        return Aws(
            door=door,
            tables=Tables(named, neighbours),
            region=region,
            sources=self._clients_in(region)[1],
            rows=TimedRows(self._lock),
            picture=self.picture,
            beside=partial(self._beside, door, neighbours),
        )

    def _beside(
        self, door: Interceptor, neighbours: NeighbourTables | None, specs: Mapping[str, TableSpec], region: str
    ) -> Aws:
        dynamodb, _ = self._clients_in(region)
        tables.create(specs, {}, dynamodb)
        return self._aws(door, neighbours, tables.named(specs, dynamodb), region)

    # --- the test's own clients

    def _clients_in(self, region: str) -> tuple[Any, MotoSources]:
        if region not in self._clients:
            session = boto3.session.Session(region_name=region)
            dynamodb = session.resource("dynamodb", endpoint_url=self._endpoint)
            self._pass_by(dynamodb.meta.client)
            self._clients[region] = dynamodb, MotoSources(lambda: self._pass_by(session.client("sqs")), region)
        return self._clients[region]

    def _pass_by(self, client: Any) -> Any:
        """The client, past counting and faults: a test can look at its tables while DynamoDB is down."""
        events = client.meta.events
        events.unregister("before-call", HOOK.before_call)
        events.unregister("before-send", HOOK.before_send)
        events.register_first("before-send", self._answer_quietly)
        return client

    def _answer_quietly(self, request: Any, **_: Any) -> Any:
        if not self._is_open:
            raise BlockedCall("dynamodb", "Table", "dynamodb_tables was used outside of its test.")
        if wire.place(request.url) in self._let_through:
            return None
        return wire.response(request.url, self._emulate(request))

    # --- answers

    def _emulate(self, request: Any, picture: Picture | None = None) -> Answer:
        patches.posts_stay_here()
        try:
            with self._lock, self._showing(picture):
                answer = botocore_stubber.process_request(request)
        except NotImplementedError as error:
            raise NotEmulated(f"moto cannot do it: {error}") from error
        except ImportError as error:
            raise NotEmulated(f"moto needs {error.name} for it: pip install 'moto[{_extra(error)}]'.") from error
        if answer is None or answer == (404, {}, "Not yet implemented"):
            raise NotEmulated("nothing emulates it, and no call leaves the process.")
        status, headers, body = answer
        return Answer(status, headers, body.encode() if isinstance(body, str) else body)

    @contextmanager
    def _showing(self, picture: Picture | None) -> Iterator[None]:
        """The table of the picture stands for the present one until the block ends."""
        there = self._moto_tables() if picture is not None else {}
        if picture is None or picture.name not in there:
            yield
            return
        now, there[picture.name] = there[picture.name], picture.table
        try:
            yield
        finally:
            there[picture.name] = now

    def _moto_tables(self) -> Any:
        """Name -> moto's Table, in the account and the region of the app."""
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][self._region].tables


def _extra(error: ImportError) -> str:
    """moto's extra for the service that it could not import; extras have the names of their packages."""
    extras = metadata("moto").get_all("Provides-Extra") or []
    for frame, _ in walk_tb(error.__traceback__):
        top, _, rest = str(frame.f_globals.get("__name__")).partition(".")
        if top == "moto" and (package := rest.partition(".")[0]) in extras:
            return package
    return "all"


# --- moto's data


@contextmanager
def _aside() -> Iterator[None]:
    """moto without its data and with its default settings; both come back when the block ends."""
    settings: Any = default_user_config
    with backend_lock:
        contents, config = _contents(), dict(settings)
        _put_in([])
    try:
        yield
    finally:
        with backend_lock:
            settings.clear()
            settings.update(config)
            BackendDict.reset()  # closes the open files that are S3's objects
            _put_in(contents)
            reset_model_data()  # forgets all models that were made meanwhile


def _instances() -> list[Any]:
    """The BackendDict of each service that holds any data."""
    kind: Any = BackendDict  # its list of itself is not typed
    instances: list[Any] = kind._instances
    return instances


def _contents() -> Contents:
    with backend_lock:
        return [(backends, dict(backends)) for backends in _instances()]


def _put_in(contents: Contents) -> None:
    with backend_lock:
        for backends in _instances():
            backends.clear()
        _instances().clear()
        for backends, accounts in contents:
            backends.update(accounts)
            _instances().append(backends)


def _copied(contents: Contents) -> Contents:
    """A deep copy; objects that are shared in the original are shared in the copy."""
    memo: dict[int, Any] = {}

    def account(backends: AccountSpecificBackend[Any]) -> AccountSpecificBackend[Any]:
        new = copy.copy(backends)
        for region, backend in backends.items():
            new[region] = copy.deepcopy(backend, memo)
        return new

    return [
        (backends, {account_id: account(b) for account_id, b in accounts.items()}) for backends, accounts in contents
    ]
