"""AWS emulated by moto (5.1 to 5.2) in this process. Every opening starts with the same tables and rows.

No mock of moto is started. Calls go to moto's dispatcher under one lock, without which it loses concurrent updates.
Its data are put in place for an opening and taken out afterwards, so that a `mock_aws` of another team, around the
opening or inside it, finds everything as it expects.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import metadata, version
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import EndpointConnectionError
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.iam.models import get_account_id_from
from moto.moto_api._internal import mock_random
from requests.exceptions import RequestException

from pytest_sessionplugin.aws import environment, responses, tables, wire
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from pytest_sessionplugin.aws.endpoints import TABLES
from pytest_sessionplugin.aws.hook import HOOK, Outlived
from pytest_sessionplugin.aws.interceptor import AwsCall, NotEmulated
from pytest_sessionplugin.aws.moto import patches, regions, snapshots
from pytest_sessionplugin.aws.moto.contents import MotoSources
from pytest_sessionplugin.aws.moto.resources import MadeResources
from pytest_sessionplugin.aws.moto.snapshots import Snapshot
from pytest_sessionplugin.aws.moto.tables import DynamoDb, Picture, TimedRows
from pytest_sessionplugin.aws.resources import Resources
from pytest_sessionplugin.aws.table_specs import STREAM_LABEL
from pytest_sessionplugin.aws.wire import Answer, LongPoll
from pytest_sessionplugin.errors import BlockedCall, EndpointError, UnknownName

if TYPE_CHECKING:
    from types_boto3_dynamodb.service_resource import Table

    from pytest_sessionplugin.aws.calls import Call
    from pytest_sessionplugin.aws.dynamodb.ttl import Expiring
    from pytest_sessionplugin.aws.resources import Resource, Service
    from pytest_sessionplugin.aws.templates import TableSpec


OUTLIVED = Outlived(mocked=lambda: botocore_stubber.enabled)


@dataclass(frozen=True)
class MadeCall:
    """A call that was answered, to be made again with the same ids: `random` is the state they are drawn from."""

    call: Call
    request: Any
    random: Any


class Emulator:
    """moto as a backend of an account, with tables in it. Each opening starts as the first one did after set-up.

    `rows` are the first ones of its tables, by logical name. `resources` are made with the tables: queues, topics and
    buckets.
    `endpoint` is the URL, on loopback, of a real DynamoDB that replaces the one in memory.
    """

    def __init__(
        self,
        specs: Mapping[str, TableSpec],
        rows: tables.FirstRows | None = None,
        region: str = environment.REGION,
        endpoint: str | None = None,
        resources: Resources | None = None,
    ) -> None:
        self.specs, self.region = specs, region
        self._resources, self._made = resources or Resources(), MadeResources()
        self.elsewhere = dict.fromkeys(TABLES, endpoint) if endpoint else {}
        self._rows = rows or {}
        self._endpoint = endpoint
        self._lock = threading.RLock()
        self._is_open, self._process = False, 0
        self._items_lock = threading.RLock()
        self._dynamodb = DynamoDb(self._items_lock)
        self._pristine: tuple[Snapshot, MadeResources] | None = None
        self._with_app: tuple[Snapshot, MadeResources] | None = None  # the same, and what the import of the app made
        self._kept: list[MadeCall] | None = None  # while calls are kept
        self._tables: dict[tuple[str, str], Table] = {}  # by region and name
        self._clients: dict[str, tuple[Any, MotoSources]] = {}  # by region
        self._session = patches.DefaultSession()

    @contextmanager
    def open(self) -> Iterator[Emulator]:
        """Empty until it is filled. Needs the environment of `environment.neutral`; one is open in a process."""
        HOOK.install()
        with (
            patches.mock_started(),
            snapshots.aside(),
            self._session.in_place(),
            patches.nothing_kept(),
        ):
            self._is_open, self._process, self._dynamodb = True, os.getpid(), DynamoDb(self._items_lock)
            self._made = MadeResources()
            try:
                yield self
            finally:
                self._is_open = False

    def fill(self, seed: Callable[[], None] = lambda: None, made: Sequence[MadeCall] = ()) -> None:
        """The first time, creates everything and calls `seed`; from then on puts copies of that in place.

        With `made`, all is as after these calls, which the import of the app made in another test.
        """
        if made and self._with_app is not None:
            self._put_in_place(self._with_app)
            return
        if self._pristine is not None:
            self._put_in_place(self._pristine)
        else:
            self.create(self.specs, self._resources, self.region, seed, self._rows)
            self._pristine = self._start()
        if made:
            self.repeat(made)
            self._with_app = self._start()

    def empty(self) -> None:
        """Removes everything, as if it had just been opened."""
        with self._lock, self._items_lock:
            snapshots.empty()
            self._dynamodb, self._made = DynamoDb(self._items_lock), MadeResources()

    def create(
        self,
        specs: Mapping[str, TableSpec],
        resources: Resources,
        region: str,
        seed: Callable[[], None] = lambda: None,
        rows: tables.FirstRows | None = None,
    ) -> None:
        """Creates what does not exist yet, also of another project or of a reloaded app, and calls `seed`."""
        dynamodb, sources = self._clients_in(region)
        with sources.seeding():
            try:
                new = tables.create(specs, rows or {}, dynamodb)
            except EndpointConnectionError as error:
                raise EndpointError(str(self._endpoint), "does not answer.") from error
            if self._endpoint is None:
                there = self._dynamodb.tables(DEFAULT_ACCOUNT_ID, region)
                for name in new:
                    there.label_stream(name, STREAM_LABEL)
            with self._lock:
                self._made.make(resources, region)
            seed()

    def provide(self, resources: Iterable[Resource], region: str) -> None:
        """Makes the queues, topics and buckets that do not exist yet, which an app has named."""
        with self._lock:
            self._made.make_each(resources, region)

    def there(self, service: Service, region: str) -> list[str]:
        """The names of its queues, topics, buckets, streams or event buses."""
        with self._lock:
            return self._made.names(service, region)

    @contextmanager
    def importing(self, *, keep: bool) -> Iterator[Sequence[MadeCall]]:
        """Keeps the calls that it answers in the block, to be made again. With `keep`, later tests start from there."""
        calls: list[MadeCall] = []
        self._kept = calls
        try:
            with self.sources(self.region).seeding():
                yield calls
        finally:
            self._kept = None
        if keep and calls:
            self._with_app = self._start()

    def repeat(self, made: Sequence[MadeCall]) -> None:
        """Makes calls again. Those that fail now are left out."""
        state = mock_random.getstate()
        try:
            with self.sources(self.region).seeding():
                for each in made:
                    mock_random.setstate(each.random)
                    with suppress(NotEmulated, RequestException):
                        self._emulate(each.request)
        finally:
            mock_random.setstate(state)

    def _start(self) -> tuple[Snapshot, MadeResources]:
        """Everything as it is now."""
        with self._lock, self._dynamodb.lock:
            return Snapshot(), self._made.copy()

    def _put_in_place(self, start: tuple[Snapshot, MadeResources]) -> None:
        snapshot, made = start
        snapshot.put_in_place()
        self._made = made.copy()

    def named(self, specs: Mapping[str, TableSpec], region: str) -> Mapping[str, Table]:
        """Logical name -> boto3's Table, which bypasses counting and faults; the same object each time, which costs
        less.
        """
        dynamodb, found = self._clients_in(region)[0], {}
        for logical, spec in specs.items():
            key = (region, str(spec["TableName"]))
            if key not in self._tables:
                self._tables[key] = dynamodb.Table(key[1])
            found[logical] = self._tables[key]
        return found

    def sources(self, region: str) -> MotoSources:
        """Queues, topics and streams of a region."""
        return self._clients_in(region)[1]

    @property
    def rows(self) -> Expiring | None:
        """Rows that TTL may remove; None if a real DynamoDB has them."""
        return None if self._endpoint else TimedRows(lambda: self._dynamodb)

    def picture(self, table: str, index: str | None) -> tuple[str, Picture]:
        """The real name of a table, given by that or its logical name, and its rows as they are. Raises UnknownName."""
        tables = self._dynamodb.tables(DEFAULT_ACCOUNT_ID, self.region)
        name = str(self.specs[table]["TableName"]) if table in self.specs else table
        with self._dynamodb.lock:
            if name not in tables.there:
                described = {str(spec["TableName"]) for spec in self.specs.values()}
                raise UnknownName(
                    "table", table, (*self.specs, *(each for each in tables.there if each not in described))
                )
            store = tables.store(name)
            indexes = list(store.definition.indexes)
            if index not in (indexes if index is not None else (None,)) or not indexes:
                raise UnknownName(f"index of {table} named", index or "", indexes)
            return name, Picture(tables.table(name), store.copy())

    # --- the test's own clients

    def _clients_in(self, region: str) -> tuple[Any, MotoSources]:
        if region not in self._clients:
            session = boto3.session.Session(region_name=region)
            dynamodb = session.resource("dynamodb", endpoint_url=self._endpoint)
            self._pass_by(dynamodb.meta.client)
            self._clients[region] = dynamodb, MotoSources(lambda: self._pass_by(session.client("sqs")), region)
        return self._clients[region]

    def _pass_by(self, client: Any) -> Any:
        """The client, made to bypass counting and faults: a test can read its tables while DynamoDB is down."""
        events = client.meta.events
        events.unregister("before-call", HOOK.before_call)
        events.unregister("before-send", HOOK.before_send)
        events.register_first("before-send", self._answer_quietly)
        return client

    def _answer_quietly(self, request: Any, **_: Any) -> Any:
        if not self._is_open:
            raise BlockedCall("dynamodb", "Table", "dynamodb_tables was used outside of its test.")
        if os.getpid() != self._process:
            raise BlockedCall("dynamodb", "Table", "a fork has a copy of dynamodb_tables. Use a boto3 client there.")
        if self._endpoint and wire.place(request.url) == wire.place(self._endpoint):
            return None
        return responses.response(request.url, self._emulate(request))

    # --- answers

    def answer(self, call: AwsCall) -> Answer | None:
        """As a backend, the last one of an account."""
        if call.request is None:
            return None
        if self._kept is not None:
            self._kept.append(MadeCall(call.call, wire.kept(call.request), mock_random.getstate()))
        answer = self._emulate(call.request, call.picture)
        if answer.status < 400:
            return answer
        return replace(answer, hint=self._hint(call, answer))

    def _hint(self, call: AwsCall, answer: Answer) -> str | None:
        scope, service = wire.scope(call.request), call.call.service
        account_id = get_account_id_from(scope.access_key)
        if hint := regions.hint(service, account_id, scope.region, call.request, answer):
            return hint
        if not regions.NOT_FOUND.search(wire.outcome(answer)):
            return None
        return self._resources.left_out(service) or regions.missing(call.call, account_id, scope.region)

    def _emulate(self, request: Any, past: Picture | None = None) -> Answer:
        """Operations on items are our own; moto carries out everything else, DynamoDB's tables included."""
        operation = wire.target(request)
        is_ours = operation is not None and self._dynamodb.answers(operation)
        try:
            if operation is None:
                return self._by_any_service(request)
            scope, members = wire.scope(request), wire.members(request)
            account_id = get_account_id_from(scope.access_key)
            if is_ours:
                return wire.outcome_of(self._dynamodb.answer(account_id, scope.region, operation, members, past))
            with self._lock, self._dynamodb.lock:
                prepared = self._dynamodb.prepared(account_id, scope.region, operation, members)
                try:
                    return self._by_moto(request if prepared is members else wire.asking(request, prepared))
                finally:
                    self._dynamodb.tables(account_id, scope.region).follow()
        except Refusal as refusal:
            return wire.refused(refusal)
        except (NotEmulated, RequestException):  # a post of SNS or Firehose did not leave, or did not arrive
            raise
        except Exception as error:
            region = wire.scope(request).region
            if isinstance(error, KeyError) and error.args == (region,):
                there = "Leave region_name out, or name a region of AWS: AWS_DEFAULT_REGION has the app's."
                raise NotEmulated(f"AWS has no region {region}. {there}") from error
            by = "the plugin's DynamoDB" if is_ours else f"moto {version('moto')}"  # read from disk, so only now
            failed = f"{by} failed, and AWS would not: {type(error).__name__}: {error}."
            raise NotEmulated(f"{failed} It was to go to {request.url}") from error

    def _by_any_service(self, request: Any) -> Answer:
        """Sleeps and posts are left for afterwards: no thread waits while it holds the lock."""
        with patches.deferring() as deferred, self._lock:
            self._made.give_way(request)
            answer = self._by_moto(request)
        for post in deferred.posts:
            post()
        return replace(answer, wait=LongPoll(deferred.seconds, deferred.due)) if deferred.seconds else answer

    def _by_moto(self, request: Any) -> Answer:
        to = f" It was to go to {request.url}"
        try:
            answer = botocore_stubber.process_request(request)
        except NotImplementedError as error:
            raise NotEmulated(f"moto cannot do it: {error}{to}") from error
        except ImportError as error:
            raise NotEmulated(f"moto needs {error.name} for it: pip install 'moto[{_extra(error)}]'.{to}") from error
        if answer is None or answer == (404, {}, "Not yet implemented"):
            raise NotEmulated(f"nothing emulates it, and no call leaves the process.{to}")
        status, headers, body = answer
        # The status of a presigned POST is a form's text.
        return Answer(int(status), headers, body.encode() if isinstance(body, str) else body)


def _extra(error: ImportError) -> str:
    """moto's extra for the service that it could not import; extras have the names of their packages."""
    extras = metadata("moto").get_all("Provides-Extra") or []
    for frame, _ in walk_tb(error.__traceback__):
        top, _, rest = str(frame.f_globals.get("__name__")).partition(".")
        if top == "moto" and (package := rest.partition(".")[0]) in extras:
            return package
    return "all"
