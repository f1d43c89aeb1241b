"""Queues, topics, buckets, Kinesis streams and event buses that a project's template or its decorators name.

Also the variables that a template, to be merged into Chalice's own, gives to functions.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from pytest_sessionplugin.aws import templates
from pytest_sessionplugin.aws.templates import PseudoParameters, Resolver
from pytest_sessionplugin.errors import TemplateError
from pytest_sessionplugin.gateway.values import dns_suffix, partition


class Service(Enum):
    """The value is its service in an ARN."""

    SQS = "sqs"
    SNS = "sns"
    S3 = "s3"
    KINESIS = "kinesis"
    EVENTS = "events"


@dataclass(frozen=True)
class Resource:
    """`attributes` are those of its creation, as SQS and SNS take them."""

    service: Service
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    def arn(self, region: str, account_id: str) -> str:
        if self.service is Service.S3:
            return f"arn:{partition(region)}:s3:::{self.name}"
        below = {Service.KINESIS: "stream/", Service.EVENTS: "event-bus/"}.get(self.service, "")
        return f"arn:{partition(region)}:{self.service.value}:{region}:{account_id}:{below}{self.name}"

    def queue_url(self, region: str, account_id: str) -> str:
        return f"https://sqs.{region}.{dns_suffix(region)}/{account_id}/{self.name}"


def named(service: Service, name: str) -> Resource:
    """The resource that a decorator names, by its name or its ARN."""
    name = re.split("[:/]", name)[-1]
    fifo = {Service.SQS: "FifoQueue", Service.SNS: "FifoTopic"}.get(service)
    return Resource(service, name, {fifo: "true"} if fifo is not None and name.endswith(".fifo") else {})


@dataclass(frozen=True)
class Subscription:
    """A queue that a topic sends to."""

    topic_arn: str
    queue_arn: str
    attributes: Mapping[str, str]  # as SetSubscriptionAttributes takes them


@dataclass(frozen=True)
class Resources:
    """The resources of a project's templates besides tables. `not_made` has the type of each one that is left out.

    `variables` are those of functions, by logical name; one that refers to something unknown is left out.
    """

    made: Mapping[str, Resource] = field(default_factory=dict)
    subscriptions: Sequence[Subscription] = ()
    not_made: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def left_out(self, service: str) -> str | None:
        """A sentence about those of a service, by its name in boto3, that are not made."""
        word = service.partition("-")[0]
        names = [f"{name} ({kind})" for name, kind in self.not_made.items() if word in kind.split("::")[1].lower()]
        if not names:
            return None
        listed = ", ".join(names)
        return f"The template has {listed}, which the plugin does not make: create it in `seed`, or in a fixture."


def described(paths: Iterable[Path], pseudo: PseudoParameters, refs: Mapping[str, str]) -> Resources:
    """The resources of the templates. Raises TemplateError for a file that is not a template.

    `refs` are values for Ref by logical name: of tables, and of what Chalice's own template has.
    """
    found = [_Template(path, pseudo, refs).resources() for path in paths if path.is_file()]
    return Resources(
        {name: each for one in found for name, each in one.made.items()},
        tuple(each for one in found for each in one.subscriptions),
        {name: each for one in found for name, each in one.not_made.items()},
        {name: each for one in found for name, each in one.variables.items()},
    )


class _Template:
    """One template. A resource with anything in it that is not understood is not made."""

    def __init__(self, path: Path, pseudo: PseudoParameters, refs: Mapping[str, str]) -> None:
        template = templates.read(path)
        declared = {name: each for name, each in template["Resources"].items() if isinstance(each, dict)}
        self._types = {name: str(each.get("Type")) for name, each in declared.items()}
        self._properties = {
            name: each["Properties"] for name, each in declared.items() if isinstance(each.get("Properties"), dict)
        }
        self._pseudo = pseudo
        self._not_made = {
            name: kind for name, kind in self._types.items() if kind not in _TYPES and not _needs_nothing(kind)
        }
        resolver = partial(Resolver, path, template.get("Parameters"), pseudo, "resource")
        self._named = self._names(resolver({}))
        values = {name: _values(each, pseudo) for name, each in self._named.items()}
        self._resolve = resolver({**values, **{name: {"Ref": value} for name, value in refs.items()}})

    def resources(self) -> Resources:
        made: dict[str, Resource] = {}
        subscriptions: list[Subscription] = []
        for logical, resource in self._named.items():
            try:
                made[logical] = self._made(logical, resource)
                subscriptions += self._of_topic(logical, resource)
            except TemplateError:
                self._not_made[logical] = self._types[logical]
        for logical, kind in self._types.items():
            if kind == _SUBSCRIPTION:
                try:
                    subscriptions += _subscriptions([self._used(logical, _OF_SUBSCRIPTIONS)])
                except TemplateError:
                    self._not_made[logical] = kind
        functions = [name for name, kind in self._types.items() if kind in _FUNCTIONS]
        variables = {name: found for name in functions if (found := self._variables(name))}
        return Resources(made, tuple(subscriptions), self._not_made, variables)

    def _variables(self, function: str) -> dict[str, str]:
        found: dict[str, str] = {}
        match self._properties.get(function):
            case {"Environment": {"Variables": {**declared}}}:
                for name, value in declared.items():
                    with contextlib.suppress(TemplateError):
                        found[str(name)] = _text(self._resolve(function, value))
        return found

    def _names(self, resolve: Resolver) -> dict[str, Resource]:
        names: dict[str, Resource] = {}
        for logical, kind in self._types.items():
            if kind in _TYPES:
                try:
                    names[logical] = _name(logical, kind, self._properties.get(logical, {}), resolve, self._pseudo)
                except TemplateError:
                    self._not_made[logical] = kind
        return names

    def _made(self, logical: str, resource: Resource) -> Resource:
        of = _TYPES[self._types[logical]]
        return Resource(resource.service, resource.name, of.attributes(self._used(logical, of.used)))

    def _of_topic(self, logical: str, resource: Resource) -> list[Subscription]:
        """Subscriptions that a topic itself declares."""
        declared = self._used(logical, ("Subscription",)).get("Subscription")
        topic = resource.arn(self._pseudo.region, self._pseudo.account_id)
        mappings = [each for each in declared if isinstance(each, dict)] if isinstance(declared, list) else []
        return _subscriptions([{"TopicArn": topic, **each} for each in mappings])

    def _used(self, logical: str, names: Iterable[str]) -> dict[str, Any]:
        properties = self._properties.get(logical, {})
        return {name: self._resolve(logical, properties[name]) for name in names if name in properties}


def _name(
    logical: str, kind: str, properties: Mapping[str, Any], resolve: Resolver, pseudo: PseudoParameters
) -> Resource:
    """CloudFormation makes names of stack and logical name, with a random end that is left out."""
    of = _TYPES[kind]
    name = resolve(logical, properties.get(of.name, f"{pseudo.stack_name}-{logical}"))
    if of.name not in properties:
        is_fifo = str(properties.get("FifoQueue", properties.get("FifoTopic", ""))).lower() == "true"
        name = name.lower() if of.service is Service.S3 else f"{name}.fifo" if is_fifo else name
    if not isinstance(name, str):
        raise resolve.error(logical, f"its {of.name} must be a text.")
    return Resource(of.service, name)


def _values(resource: Resource, pseudo: PseudoParameters) -> dict[str, str]:
    """Ref, and the attributes for Fn::GetAtt."""
    arn = resource.arn(pseudo.region, pseudo.account_id)
    match resource.service:
        case Service.SQS:
            url = resource.queue_url(pseudo.region, pseudo.account_id)
            return {"Ref": url, "QueueUrl": url, "Arn": arn, "QueueName": resource.name}
        case Service.SNS:
            return {"Ref": arn, "TopicArn": arn, "TopicName": resource.name}
        case _:
            return {"Ref": resource.name, "Arn": arn, "Name": resource.name}


# --- types of templates


def _text(value: Any) -> str:
    """A value as the API takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _texts(properties: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in properties.items()}


def _bucket(properties: Mapping[str, Any]) -> dict[str, str]:
    versioning = properties.get("VersioningConfiguration")
    return {"Versioning": _text(versioning.get("Status"))} if isinstance(versioning, dict) else {}


@dataclass(frozen=True)
class _Type:
    """How a type of template is made: `used` are the properties that make a difference."""

    service: Service
    name: str  # the property with its name
    used: tuple[str, ...] = ()
    attributes: Callable[[Mapping[str, Any]], Mapping[str, str]] = _texts


_TYPES: Mapping[str, _Type] = {
    "AWS::SQS::Queue": _Type(
        Service.SQS,
        "QueueName",
        (
            *("ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoQueue", "FifoThroughputLimit"),
            *("MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy"),
            "VisibilityTimeout",
        ),
    ),
    "AWS::SNS::Topic": _Type(Service.SNS, "TopicName", ("ContentBasedDeduplication", "DisplayName", "FifoTopic")),
    "AWS::S3::Bucket": _Type(Service.S3, "BucketName", ("VersioningConfiguration",), _bucket),
    "AWS::Kinesis::Stream": _Type(Service.KINESIS, "Name", ("ShardCount",)),
    "AWS::Events::EventBus": _Type(Service.EVENTS, "Name"),
}

_FUNCTIONS = ("AWS::Serverless::Function", "None")
"""Chalice's own functions; a template that is merged need not repeat their type."""

_SUBSCRIPTION = "AWS::SNS::Subscription"
_OF_SUBSCRIPTIONS = (
    *("TopicArn", "Protocol", "Endpoint"),
    *("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery"),
)

_NOTHING_OF = frozenset(
    {
        *("ApiGateway", "ApiGatewayV2", "ApplicationAutoScaling", "Budgets", "CertificateManager", "CloudFormation"),
        *("CloudFront", "CloudWatch", "DynamoDB", "EC2", "IAM", "Lambda", "Logs", "Route53", "SNS", "Serverless"),
        *("SQS", "WAFv2", "XRay"),
    }
)
"""Services whose types hold nothing that an app reads or writes, or that are made elsewhere: as policies and alarms."""


def _needs_nothing(kind: str) -> bool:
    if not kind.startswith("AWS::"):
        return True
    return kind.split("::")[1] in _NOTHING_OF or kind.endswith(("Policy", "Permission", "::Rule"))


def _subscriptions(found: Iterable[Mapping[str, Any]]) -> list[Subscription]:
    """Subscriptions of queues. Functions get notifications by `deliver_events`, and nothing leaves for others."""
    return [
        Subscription(
            str(each.get("TopicArn")),
            str(each.get("Endpoint")),
            {name: _text(each[name]) for name in _OF_SUBSCRIPTIONS[3:] if name in each},
        )
        for each in found
        if each.get("Protocol") == "sqs"
    ]
