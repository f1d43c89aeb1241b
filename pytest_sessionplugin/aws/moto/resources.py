"""Makes the queues, topics, buckets, Kinesis streams and event buses that a project names in moto (5.1 to 5.2).

They are made past its API, without a client. Each gives way to one of the same name that somebody else creates with
attributes of its own, as long as nobody has used it: a fixture that makes it goes on working. Of moto's backends this
file knows where they keep these resources and how they make them; `tests/aws/moto/test_resources.py` tries each.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from moto.core import exceptions
from moto.core.models import DEFAULT_ACCOUNT_ID

from pytest_sessionplugin.aws import endpoints, wire
from pytest_sessionplugin.aws.resources import Resource, Resources, Service, Subscription
from pytest_sessionplugin.gateway.values import partition

_REFUSALS: tuple[type[Exception], ...] = (
    ValueError,
    exceptions.JsonRESTError,
    getattr(exceptions, "ServiceException" if hasattr(exceptions, "ServiceException") else "RESTError"),  # moto 5.1
)
"""Errors of moto for what AWS would refuse."""


class MadeResources:
    """The resources that were made here in one opening, as far as nobody else has created them since."""

    def __init__(self, account_id: str = DEFAULT_ACCOUNT_ID) -> None:
        self._account_id = account_id
        self._ours: set[tuple[Service, str, str]] = set()  # with region and name

    def copy(self) -> MadeResources:
        """Its state, beside a copy of moto's data."""
        other = MadeResources(self._account_id)
        other._ours.update(self._ours)
        return other

    def make(self, resources: Resources, region: str) -> None:
        """Makes those that do not exist yet, a queue after its dead-letter queue."""
        found = sorted(resources.made.values(), key=lambda each: "RedrivePolicy" in each.attributes)
        self.make_each(found, region)
        if resources.subscriptions:
            self._subscribe(resources.subscriptions, region)

    def make_each(self, resources: Iterable[Resource], region: str) -> None:
        """Makes those that do not exist yet, but for those that AWS would refuse."""
        for resource in resources:
            functions = _BACKENDS[resource.service]
            backend = self._backend(resource.service, region)
            if self._key(resource, region) not in functions.held(backend):
                try:
                    functions.create(backend, resource, region)
                except _REFUSALS:
                    continue
                self._ours.add((resource.service, region, resource.name))

    def names(self, service: Service, region: str) -> list[str]:
        """The names of all resources of a service, whoever has made them."""
        return [key.rpartition(":")[2] for key in _BACKENDS[service].held(self._backend(service, region))]

    def give_way(self, request: Any) -> None:
        """Removes an unused resource of ours if a request is to create one of its name with other attributes."""
        if not self._ours or (asked := creation(request)) is None:
            return
        # Names of buckets are global.
        regions = [each[1] for each in self._ours if each[::2] == (asked.service, asked.name)]
        region = regions[0] if asked.service is Service.S3 and regions else wire.scope(request).region
        if region not in regions:
            return
        self._ours.discard((asked.service, region, asked.name))
        functions, backend = _BACKENDS[asked.service], self._backend(asked.service, region)
        found = functions.held(backend).get(self._key(asked, region))
        if found is not None and functions.is_unused(found):
            functions.give_way(backend, found, asked)

    def _subscribe(self, subscriptions: Sequence[Subscription], region: str) -> None:
        backend = self._backend(Service.SNS, region)
        for each in subscriptions:
            if each.topic_arn in backend.topics:
                try:
                    made = backend.subscribe(each.topic_arn, each.queue_arn, "sqs")
                    for name, value in each.attributes.items():
                        backend.set_subscription_attributes(made.arn, name, value)
                except _REFUSALS:
                    continue

    def _backend(self, service: Service, region: str) -> Any:
        """moto's backend, which is imported when it is first needed."""
        models = importlib.import_module(f"moto.{service.value}.models")
        backends = getattr(models, f"{service.value}_backends")
        return backends[self._account_id][partition(region) if service is Service.S3 else region]

    def _key(self, resource: Resource, region: str) -> str:
        return resource.arn(region, self._account_id) if resource.service is Service.SNS else resource.name


# --- what moto has of each service


@dataclass(frozen=True)
class _Backend:
    """Functions of a backend: its resources by key, how one is made, and how an unused one gives way to another."""

    held: Callable[[Any], MutableMapping[str, Any]]
    create: Callable[[Any, Resource, str], object]
    is_unused: Callable[[Any], bool]
    give_way: Callable[[Any, Any, Resource], object]


def _create_bucket(backend: Any, bucket: Resource, region: str) -> None:
    backend.create_bucket(bucket.name, region)
    if "Versioning" in bucket.attributes:
        backend.put_bucket_versioning(bucket.name, bucket.attributes["Versioning"])


def _create_stream(backend: Any, stream: Resource, region: str) -> None:
    shards = int(stream.attributes.get("ShardCount", 1))
    backend.create_stream(stream.name, shards, stream_mode=None, retention_period_hours=None)


def _remove_queue(backend: Any, queue: Any, asked: Resource) -> None:
    if asked.attributes:  # a creation without any is answered with the existing queue
        del backend.queues[queue.name]


def _change_topic(backend: Any, topic: Any, asked: Resource) -> None:
    """Keeps the topic, which has subscriptions."""
    for name, value in asked.attributes.items():
        attribute = re.sub("(?<!^)(?=[A-Z])", "_", name).lower()
        backend.set_topic_attribute(topic.arn, attribute, value)


_BACKENDS: Mapping[Service, _Backend] = {
    Service.SQS: _Backend(
        lambda backend: backend.queues,
        lambda backend, queue, region: backend.create_queue(queue.name, **queue.attributes),
        lambda queue: not queue._messages and not queue.deleted_messages,
        _remove_queue,
    ),
    Service.SNS: _Backend(
        lambda backend: backend.topics,
        lambda backend, topic, region: backend.create_topic(topic.name, dict(topic.attributes)),
        lambda topic: not topic.sent_notifications,
        _change_topic,
    ),
    Service.S3: _Backend(
        lambda backend: backend.buckets,
        _create_bucket,
        lambda bucket: not bucket.keys and not bucket.multiparts,
        lambda backend, bucket, asked: backend.delete_bucket(bucket.name),
    ),
    Service.KINESIS: _Backend(
        lambda backend: backend.streams,
        _create_stream,
        lambda stream: not any(shard.records for shard in stream.shards.values()),
        lambda backend, stream, asked: backend.streams.pop(asked.name),
    ),
    Service.EVENTS: _Backend(
        lambda backend: backend.event_buses,
        lambda backend, bus, region: backend.create_event_bus(bus.name),
        lambda bus: not bus.rules,
        lambda backend, bus, asked: backend.event_buses.pop(asked.name),
    ),
}


# --- requests

_JSON = {
    "CreateQueue": (Service.SQS, "QueueName"),
    "CreateStream": (Service.KINESIS, "StreamName"),
    "CreateEventBus": (Service.EVENTS, "Name"),
}
_FORM = {"CreateQueue": (Service.SQS, "QueueName"), "CreateTopic": (Service.SNS, "Name")}
_ATTRIBUTE = re.compile(r"(Attributes?)(\.entry)?\.(\d+)\.(key|Name)")
"""SNS numbers attributes as Attributes.entry.1.key and …value, SQS as Attribute.1.Name and …Value."""


def creation(request: Any) -> Resource | None:
    """The resource that a request is to create."""
    url = urlsplit(request.url)
    if request.method == "PUT":
        return _bucket(url)
    if request.method != "POST" or url.query:
        return None
    target = request.headers.get("X-Amz-Target", "")
    operation = (target.decode() if isinstance(target, bytes) else str(target)).rpartition(".")[2]
    if operation in _JSON:
        service, member = _JSON[operation]
        members = json.loads(wire.sent(request.body))
        return Resource(service, str(members.get(member)), members.get("Attributes") or {})
    if operation:
        return None
    form = {name: values[0] for name, values in parse_qs(wire.sent(request.body).decode(errors="replace")).items()}
    if form.get("Action") not in _FORM:
        return None
    service, member = _FORM[form["Action"]]
    return Resource(service, form.get(member, ""), _attributes(form))


def _bucket(url: SplitResult) -> Resource | None:
    """The bucket in the host or in the path, if the URL has neither a key nor a query."""
    place, path = endpoints.s3_place(url.netloc), url.path.strip("/")
    if place is None or url.query or "/" in path or bool(place.bucket) == bool(path):
        return None
    return Resource(Service.S3, place.bucket or path)


def _attributes(form: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, value in form.items():
        if numbered := _ATTRIBUTE.fullmatch(name):
            other = "value" if numbered[4] == "key" else "Value"
            found[value] = form.get(f"{name.rpartition('.')[0]}.{other}", "")
    return found
