"""Which IAM actions a call needs, and on what. Pure: knows neither botocore nor any policy.

After AWS's Service Authorization Reference, "Actions, resources, and condition keys for …" of each service; what is
taken from elsewhere says so. A call that no rule here knows needs the action of its own name, on nothing in particular.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_sessionplugin.errors import PolicyError

ACCOUNT = "123456789012"  # the emulated one's
ARN = "arn:"


@dataclass(frozen=True)
class Need:
    """One permission. `resource` is an ARN, or None where it is not known, so that any will do."""

    action: str  # dynamodb:PutItem
    resource: str | None


@dataclass(frozen=True)
class Asked:
    """What was asked of a service: its name in signatures, and the parameters by their names in the API."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    region: str
    url: str  # where it was to be sent

    def need(self, action: str, resource: str | None) -> Need:
        """`resource` is the end of an ARN, or a whole one."""
        prefix = _PREFIXES.get(self.service, self.service)
        if resource is not None and not resource.startswith(ARN):
            resource = f"{ARN}aws:{prefix}:{self.region}:{ACCOUNT}:{resource}"
        return Need(f"{prefix}:{action}", resource)


def needs(asked: Asked) -> tuple[Need, ...]:
    """Each permission once, in the order of the parameters."""
    rule = _RULES.get(asked.service, _by_name)
    try:
        return tuple(dict.fromkeys(rule(asked)))
    except LookupError:  # a client that does not check its parameters: AWS says what is missing
        return (asked.need(_action(asked), None),)


_PREFIXES = {"monitoring": "cloudwatch", "iotdata": "iot", "tagging": "tag"}
"""Where the prefix of the actions is not the name that requests are signed for."""

_ACTIONS = {
    "lambda:Invoke": "InvokeFunction",
    "lambda:InvokeAsync": "InvokeFunction",
    "lambda:InvokeWithResponseStream": "InvokeFunction",
    "sns:PublishBatch": "Publish",
    "sqs:ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "DeleteMessage",
    "sqs:SendMessageBatch": "SendMessage",
    "s3:CompleteMultipartUpload": "PutObject",
    "s3:CreateMultipartUpload": "PutObject",
    "s3:DeleteBucketCors": "PutBucketCORS",
    "s3:DeleteBucketEncryption": "PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "s3:DeleteBucketReplication": "PutReplicationConfiguration",
    "s3:DeleteBucketTagging": "PutBucketTagging",
    "s3:DeleteObjects": "DeleteObject",
    "s3:DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "s3:GetBucketNotificationConfiguration": "GetBucketNotification",
    "s3:GetBucketReplication": "GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "s3:HeadBucket": "ListBucket",
    "s3:HeadObject": "GetObject",
    "s3:ListBuckets": "ListAllMyBuckets",
    "s3:ListMultipartUploads": "ListBucketMultipartUploads",
    "s3:ListObjectVersions": "ListBucketVersions",
    "s3:ListObjects": "ListBucket",
    "s3:ListObjectsV2": "ListBucket",
    "s3:ListParts": "ListMultipartUploadParts",
    "s3:PutBucketEncryption": "PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "s3:PutBucketNotificationConfiguration": "PutBucketNotification",
    "s3:PutBucketReplication": "PutReplicationConfiguration",
    "s3:PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "s3:PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "s3:SelectObjectContent": "GetObject",
    "s3:UploadPart": "PutObject",
}
"""Where an action is not called as its operation."""

_NAMED = {
    "firehose": {"DeliveryStreamName": "deliverystream/{}"},
    "kinesis": {"StreamARN": "{}", "StreamName": "stream/{}"},
    "sns": {"TopicArn": "{}", "TargetArn": "{}"},
    "states": {"stateMachineArn": "{}", "executionArn": "{}"},
}
"""The parameter that names what a call is about, and the end of its ARN."""


def _action(asked: Asked) -> str:
    return _ACTIONS.get(f"{asked.service}:{asked.operation}", asked.operation)


def _by_name(asked: Asked) -> Iterator[Need]:
    for parameter, form in _NAMED.get(asked.service, {}).items():
        if parameter in asked.parameters:
            yield asked.need(_action(asked), form.format(asked.parameters[parameter]))
            return
    yield asked.need(_action(asked), None)


def _dynamodb(asked: Asked) -> Iterator[Need]:
    """Transactions need what their parts do ("Using IAM with DynamoDB transactions" in the developer guide)."""
    given = asked.parameters
    match asked.operation:
        case "TransactWriteItems":
            for part in given["TransactItems"]:
                for kind, write in part.items():
                    action = "ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"
                    yield asked.need(action, _table(write["TableName"]))
        case "TransactGetItems":
            for part in given["TransactItems"]:
                yield asked.need("GetItem", _table(part["Get"]["TableName"]))
        case "BatchGetItem" | "BatchWriteItem":
            for table in given["RequestItems"]:
                yield asked.need(asked.operation, _table(table))
        case "ExecuteStatement":
            yield _partiql(asked, given["Statement"])
        case "BatchExecuteStatement":
            yield from (_partiql(asked, part["Statement"]) for part in given["Statements"])
        case "ExecuteTransaction":
            yield from (_partiql(asked, part["Statement"]) for part in given["TransactStatements"])
        case operation if "TableName" in given:
            index = given.get("IndexName")
            yield asked.need(operation, _table(given["TableName"]) + (f"/index/{index}" if index else ""))
        case operation:
            yield asked.need(operation, given.get("StreamArn") or given.get("ResourceArn"))


def _table(name: str) -> str:
    return name if name.startswith(ARN) else f"table/{name}"


_STATEMENT = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_SOURCE = re.compile(
    r"\b(?:FROM|INTO|UPDATE)\s+(?:\"([^\"]+)\"|([\w-]+))(?:\.(?:\"([^\"]+)\"|([\w-]+)))?", re.IGNORECASE
)


def _partiql(asked: Asked, statement: str) -> Need:
    """("IAM security policies with PartiQL for DynamoDB" in the developer guide.)"""
    verb, source = _STATEMENT.search(statement), _SOURCE.search(statement)
    if verb is None or source is None:
        return asked.need(asked.operation, None)
    table, index = source[1] or source[2], source[3] or source[4]
    return asked.need(f"PartiQL{verb[1].title()}", _table(table) + (f"/index/{index}" if index else ""))


def _connections(asked: Asked) -> Iterator[Need]:
    """("Control access to WebSocket APIs with IAM authorization" in API Gateway's developer guide.)"""
    verb = {"GetConnection": "GET", "DeleteConnection": "DELETE"}.get(asked.operation, "POST")
    place = urlsplit(asked.url)
    stage = place.path.partition("/@connections/")[0].strip("/")
    api = place.netloc.partition(".")[0]
    yield asked.need("ManageConnections", f"{api}/{stage}/{verb}/@connections/{asked.parameters['ConnectionId']}")


def _s3(asked: Asked) -> Iterator[Need]:
    """("Required permissions for Amazon S3 API operations" in the user guide.)"""
    given, action = asked.parameters, _action(asked)
    if "Bucket" not in given:
        yield asked.need(action, None)
        return
    if "CopySource" in given:  # a copy: a read there, a write here
        yield asked.need("GetObject", _copied(given["CopySource"]))
        action = "PutObject"
    if given.get("VersionId") and action in ("GetObject", "DeleteObject"):
        action += "Version"
    if asked.operation == "DeleteObjects":
        for one in given["Delete"]["Objects"]:
            yield asked.need(
                f"{action}Version" if one.get("VersionId") else action, _s3_arn(given["Bucket"], one["Key"])
            )
    else:
        yield asked.need(action, _s3_arn(given["Bucket"], given.get("Key")))


def _s3_arn(bucket: str, key: str | None) -> str:
    """Of an object, or of a bucket. What stands for a bucket may be the ARN of an access point."""
    if bucket.startswith(ARN):
        return bucket if key is None else f"{bucket}/object/{key}"
    return f"{ARN}aws:s3:::{bucket}" if key is None else f"{ARN}aws:s3:::{bucket}/{key}"


def _copied(source: Any) -> str:
    if isinstance(source, str):
        path = unquote(source.partition("?versionId=")[0]).removeprefix("/")
        return path if path.startswith(ARN) else f"{ARN}aws:s3:::{path}"
    return _s3_arn(source["Bucket"], source["Key"])


def _sqs(asked: Asked) -> Iterator[Need]:
    """A queue is named by its URL, whose last part is its name."""
    url = asked.parameters.get("QueueUrl") or asked.parameters.get("QueueName")
    yield asked.need(_action(asked), url.rpartition("/")[2] if url else None)


def _ssm(asked: Asked) -> Iterator[Need]:
    """A version or label after the name is no part of the ARN; the first slash is. Documents have names, too."""
    given = asked.parameters if "Parameter" in asked.operation else {}
    names = given.get("Names") or [name for name in (given.get("Name"), given.get("Path")) if name]
    for name in names:
        whole = name.startswith(ARN)
        yield asked.need(asked.operation, name if whole else f"parameter/{name.removeprefix('/').partition(':')[0]}")
    if not names:
        yield asked.need(asked.operation, None)


def _secretsmanager(asked: Asked) -> Iterator[Need]:
    """An ARN ends in six random characters; who names a secret without them may mean any."""
    secret = asked.parameters.get("SecretId")
    if secret is None:
        yield asked.need(asked.operation, None)
    else:
        whole = secret if secret.startswith(ARN) else f"secret:{secret}"
        known = secret.startswith(ARN) and re.search(r"-\w{6}$", secret)
        yield asked.need(asked.operation, whole if known else f"{whole}-??????")


def _lambda(asked: Asked) -> Iterator[Need]:
    """A function is given by its name, by a part of its ARN or by the whole."""
    name, qualifier = asked.parameters.get("FunctionName"), asked.parameters.get("Qualifier")
    if name is None:
        yield asked.need(_action(asked), None)
    else:
        whole = name if name.startswith(ARN) else f"function:{name.rpartition('function:')[2]}"
        yield asked.need(_action(asked), f"{whole}:{qualifier}" if qualifier else whole)


def _events(asked: Asked) -> Iterator[Need]:
    if asked.operation != "PutEvents":
        yield asked.need(asked.operation, None)
        return
    for entry in asked.parameters["Entries"]:
        bus = entry.get("EventBusName") or "default"
        yield asked.need("PutEvents", bus if bus.startswith(ARN) else f"event-bus/{bus}")


def _kms(asked: Asked) -> Iterator[Need]:
    """A permission is on a key: which one stands behind an alias is not known."""
    key = asked.parameters.get("KeyId")
    if key is None or "alias/" in key:
        yield asked.need(asked.operation, None)
    else:
        yield asked.need(asked.operation, key if key.startswith(ARN) else f"key/{key}")


def _sts(asked: Asked) -> Iterator[Need]:
    if asked.operation != "GetCallerIdentity":  # which needs no permission
        yield asked.need(asked.operation, asked.parameters.get("RoleArn"))


_RULES: Mapping[str, Callable[[Asked], Iterator[Need]]] = {
    "dynamodb": _dynamodb,
    "events": _events,
    "execute-api": _connections,
    "kms": _kms,
    "lambda": _lambda,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "sqs": _sqs,
    "ssm": _ssm,
    "sts": _sts,
}

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Patterns:
    """What an element of a statement lists. `but` are the elements whose name begins with Not."""

    patterns: tuple[str, ...]
    but: bool = False


@dataclass(frozen=True)
class Statement:
    """One statement. `name` is its Sid, or its place in the file."""

    name: str
    allows: bool
    actions: Patterns
    resources: Patterns
    unsure: bool = False  # it has a condition, or names something that is not known here

    def concerns(self, need: Need) -> bool:
        named = any(_matches(pattern.lower(), need.action.lower()) for pattern in self.actions.patterns)
        return named != self.actions.but and self._covers(need.resource)

    def _covers(self, resource: str | None) -> bool:
        if resource is None:  # not known: it may be one that an Allow names, and need not be one that a Deny does
            return self.allows or (not self.resources.but and "*" in self.resources.patterns)
        return any(_covers(pattern, resource) for pattern in self.resources.patterns) != self.resources.but


@dataclass(frozen=True)
class Policy:
    """The statements of one file."""

    statements: tuple[Statement, ...]

    def why_not(self, need: Need) -> str | None:
        """Why it does not allow this, or None if it does."""
        concerned = [statement for statement in self.statements if statement.concerns(need)]
        for statement in concerned:
            if not statement.allows and not statement.unsure:
                return f"{statement.name} denies it"
        return None if any(statement.allows for statement in concerned) else "no statement allows it"


def read(path: Path, variables: Mapping[str, str] | None = None) -> Policy:
    """The policy of a file, with `${Name}` in its resources as `variables` say. Raises PolicyError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(path, "there is no such file; name one from the project's folder on.") from error
    except ValueError as error:
        raise PolicyError(path, f"it is not JSON: {error}.") from error
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise PolicyError(path, 'it has no "Statement", which is a list of what it allows and denies.')
    return Policy(
        tuple(_statement(path, number, one, variables or {}) for number, one in enumerate(statements, start=1))
    )


def _statement(path: Path, number: int, written: Any, variables: Mapping[str, str]) -> Statement:
    name = f"statement {number}"
    if not isinstance(written, dict) or written.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(path, f'{name} has no "Effect" that is "Allow" or "Deny".')
    resources = _patterns(path, name, written, "Resource")
    filled = [_PLACEHOLDER.sub(lambda found: variables.get(found[1], found[0]), one) for one in resources.patterns]
    return Statement(
        name=f"the statement {written['Sid']}" if written.get("Sid") else name,
        allows=written["Effect"] == "Allow",
        actions=_patterns(path, name, written, "Action"),
        resources=Patterns(tuple(_PLACEHOLDER.sub("*", one) for one in filled), resources.but),
        unsure=bool(written.get("Condition")) or any(map(_PLACEHOLDER.search, filled)),
    )


def _patterns(path: Path, name: str, statement: Mapping[str, Any], element: str) -> Patterns:
    present = [key for key in (element, f"Not{element}") if key in statement]
    if len(present) != 1:
        raise PolicyError(path, f'{name} must have either "{element}" or "Not{element}".')
    value = statement[present[0]]
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise PolicyError(path, f'"{present[0]}" of {name} must be a text or a list of texts.')
    return Patterns(tuple(patterns), present[0] != element)


def _covers(pattern: str, arn: str) -> bool:
    """Whether the resource is one of those. What a test makes up is not compared: partition, region, account, API id.

    A part that is empty is no made-up one: `arn:aws:s3:eu-west-1::bucket` names no bucket.
    """
    theirs, ours = pattern.split(":", 5), arn.split(":", 5)
    if theirs[0] != "arn":
        return _matches(pattern, arn)
    if len(theirs) < 6:  # a * at the end stands for the rest
        return pattern.endswith("*") and all(map(_matches, theirs[2:3], ours[2:3]))
    if any(bool(there) != bool(here) for there, here in zip(theirs[3:5], ours[3:5], strict=True)):
        return False
    service, resource = ours[2], ours[5]
    return _matches(theirs[2], service) and _matches(_with_ids_of_tests(service, theirs[5], resource), resource)


def _with_ids_of_tests(service: str, pattern: str, resource: str) -> str:
    if service == "secretsmanager":  # six random characters end the ARN of a secret
        return re.sub(r"-\w{6}$", "-??????", pattern)
    api, slash, rest = pattern.partition("/")
    if service == "execute-api" and slash and not set(api) & set("*?"):
        return f"{resource.partition('/')[0]}/{rest}"
    return pattern


def _matches(pattern: str, text: str) -> bool:
    return _expression(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
