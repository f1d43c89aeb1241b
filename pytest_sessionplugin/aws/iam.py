"""IAM permissions that a call needs, and IAM policy files that allow or deny them.

Needs follow AWS's Service Authorization Reference, "Actions, resources, and condition keys for …" of each service;
other sources are named where they are used. A call without a rule needs the action of its own name, on any resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pytest_sessionplugin.errors import PolicyError
from pytest_sessionplugin.gateway.core.authorizers import Patterns

ACCOUNT = "123456789012"  # of the emulated AWS
ARN = "arn:"


# --- needs


@dataclass(frozen=True)
class Need:
    """One permission. `resource` is an ARN, or None if it is unknown, so that any will do."""

    action: str  # dynamodb:PutItem
    resource: str | None


@dataclass(frozen=True)
class Asked:
    """A call of a service, with the parameters by their names in the API."""

    service: str  # its name in signatures
    operation: str
    parameters: Mapping[str, Any]
    region: str
    url: str  # of the request
    key_names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of tables that are known, by their names

    @classmethod
    def of(
        cls,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        region: str,
        url: str,
        key_names: Mapping[str, Sequence[str]],
    ) -> Asked:
        """Keeps a copy of the parameters, which the caller may change after the call."""
        return cls(service, operation, copied(parameters), region, url, key_names)

    def need(self, action: str, resource: str | None) -> Need:
        """`resource` is an ARN, or the end of one."""
        prefix = _PREFIXES.get(self.service, self.service)
        if resource is not None and not resource.startswith(ARN):
            resource = f"{ARN}aws:{prefix}:{self.region}:{ACCOUNT}:{resource}"
        return Need(f"{prefix}:{action}", resource)


def copied(value: Any) -> Any:
    """A copy of objects and lists; what is in them is shared, as a stream cannot be copied."""
    if isinstance(value, dict):
        return {name: copied(each) if isinstance(each, (dict, list)) else each for name, each in value.items()}
    if isinstance(value, list):
        return [copied(each) if isinstance(each, (dict, list)) else each for each in value]
    return value


def needs(asked: Asked) -> tuple[Need, ...]:
    """Permissions that a call needs, each once, in the order of the parameters."""
    rule = _RULES.get(asked.service, _by_name)
    try:
        return tuple(dict.fromkeys(rule(asked)))
    except LookupError:  # the client does not check its parameters, and AWS will report the missing one
        return (asked.need(_action(asked), None),)


_PREFIXES = {"monitoring": "cloudwatch", "iotdata": "iot", "tagging": "tag"}
"""Signing name -> prefix of the actions, where they differ."""

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
"""Operation -> action, where their names differ."""

_NAMED = {
    "firehose": {"DeliveryStreamName": "deliverystream/{}"},
    "kinesis": {"StreamARN": "{}", "StreamName": "stream/{}"},
    "sns": {"TopicArn": "{}", "TargetArn": "{}"},
    "states": {"stateMachineArn": "{}", "executionArn": "{}"},
}
"""Service -> the parameter that names the resource -> the end of the resource's ARN."""


def _action(asked: Asked) -> str:
    return _ACTIONS.get(f"{asked.service}:{asked.operation}", asked.operation)


def _by_name(asked: Asked) -> Iterator[Need]:
    for parameter, form in _NAMED.get(asked.service, {}).items():
        if parameter in asked.parameters:
            yield asked.need(_action(asked), form.format(asked.parameters[parameter]))
            return
    yield asked.need(_action(asked), None)


def _dynamodb(asked: Asked) -> Iterator[Need]:
    """A transaction needs what its parts need ("Using IAM with DynamoDB transactions" in the developer guide)."""
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
    """ARN of an object or of a bucket. The ARN of an access point may stand for a bucket."""
    if bucket.startswith(ARN):
        return bucket if key is None else f"{bucket}/object/{key}"
    return f"{ARN}aws:s3:::{bucket}" if key is None else f"{ARN}aws:s3:::{bucket}/{key}"


def _copied(source: Any) -> str:
    if isinstance(source, str):
        path = unquote(source.partition("?versionId=")[0]).removeprefix("/")
        return path if path.startswith(ARN) else f"{ARN}aws:s3:::{path}"
    return _s3_arn(source["Bucket"], source["Key"])


def _sqs(asked: Asked) -> Iterator[Need]:
    """The last part of a queue's URL is its name."""
    url = asked.parameters.get("QueueUrl") or asked.parameters.get("QueueName")
    yield asked.need(_action(asked), url.rpartition("/")[2] if url else None)


def _ssm(asked: Asked) -> Iterator[Need]:
    """The ARN has the name with its first slash and without version or label. Documents have names, too."""
    given = asked.parameters if "Parameter" in asked.operation else {}
    names = given.get("Names") or [name for name in (given.get("Name"), given.get("Path")) if name]
    for name in names:
        whole = name.startswith(ARN)
        yield asked.need(asked.operation, name if whole else f"parameter/{name.removeprefix('/').partition(':')[0]}")
    if not names:
        yield asked.need(asked.operation, None)


def _secretsmanager(asked: Asked) -> Iterator[Need]:
    """An ARN ends in six random characters. A name without them may mean any."""
    secret = asked.parameters.get("SecretId")
    if secret is None:
        yield asked.need(asked.operation, None)
    else:
        whole = secret if secret.startswith(ARN) else f"secret:{secret}"
        known = secret.startswith(ARN) and re.search(r"-\w{6}$", secret)
        yield asked.need(asked.operation, whole if known else f"{whole}-??????")


def _lambda(asked: Asked) -> Iterator[Need]:
    """A function is named by its name, its ARN or a part of the ARN."""
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
    """A permission is on a key; the key behind an alias is not known."""
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


# --- policies

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class NamedStatement:
    """A statement of a policy file. `name` is its Sid or its number; action patterns are in lower case."""

    name: str
    allows: bool
    actions: Patterns
    resources: Patterns
    unsure: bool = False  # it has a Condition, or a placeholder without a value

    def concerns(self, need: Need) -> bool:
        return self.actions.cover(need.action.lower()) and self._covers(need.resource)

    def _covers(self, resource: str | None) -> bool:
        if resource is None:  # an Allow may name the unknown resource; a Deny surely does if it names all
            return self.allows or (not self.resources.inverted and "*" in self.resources.patterns)
        return any(_covers(pattern, resource) for pattern in self.resources.patterns) != self.resources.inverted


@dataclass(frozen=True)
class PolicyFile:
    """The statements of one file."""

    statements: tuple[NamedStatement, ...]

    def why_not(self, need: Need) -> str | None:
        """The reason why the policy does not allow the need; None if it does."""
        concerned = [statement for statement in self.statements if statement.concerns(need)]
        for statement in concerned:
            if not statement.allows and not statement.unsure:
                return f"{statement.name} denies it"
        return None if any(statement.allows for statement in concerned) else "no statement allows it"


def read(path: Path, variables: Mapping[str, str] | None = None) -> PolicyFile:
    """The policy of a file, with `variables` in place of `${Name}` in its resources. Raises PolicyError."""
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
        raise PolicyError(path, 'it has no "Statement", the list of what it allows and denies.')
    return PolicyFile(
        tuple(_statement(path, number, one, variables or {}) for number, one in enumerate(statements, start=1))
    )


def _statement(path: Path, number: int, written: Any, variables: Mapping[str, str]) -> NamedStatement:
    name = f"statement {number}"
    if not isinstance(written, dict) or written.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(path, f'{name} has no "Effect" that is "Allow" or "Deny".')
    actions, resources = (_patterns(path, name, written, element) for element in ("Action", "Resource"))
    filled = [_PLACEHOLDER.sub(lambda found: variables.get(found[1], found[0]), one) for one in resources.patterns]
    return NamedStatement(
        name=f"the statement {written['Sid']}" if written.get("Sid") else name,
        allows=written["Effect"] == "Allow",
        actions=Patterns(tuple(map(str.lower, actions.patterns)), actions.inverted),
        resources=Patterns(tuple(_PLACEHOLDER.sub("*", one) for one in filled), resources.inverted),
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
    """Whether the resource matches. Partition, region, account and API id are made up by a test, so not compared.

    An empty part is compared: `arn:aws:s3:eu-west-1::bucket` names no bucket.
    """
    theirs, ours = pattern.split(":", 5), arn.split(":", 5)
    if theirs[0] != "arn":
        return _fits(pattern, arn)
    if len(theirs) < 6:  # a * at the end stands for the rest
        return pattern.endswith("*") and all(map(_fits, theirs[2:3], ours[2:3]))
    if any(bool(there) != bool(here) for there, here in zip(theirs[3:5], ours[3:5], strict=True)):
        return False
    service, resource = ours[2], ours[5]
    return _fits(theirs[2], service) and _fits(_with_ids_of_tests(service, theirs[5], resource), resource)


def _with_ids_of_tests(service: str, pattern: str, resource: str) -> str:
    if service == "secretsmanager":  # six random characters end the ARN of a secret
        return re.sub(r"-\w{6}$", "-??????", pattern)
    api, slash, rest = pattern.partition("/")
    if service == "execute-api" and slash and not set(api) & set("*?"):
        return f"{resource.partition('/')[0]}/{rest}"
    return pattern


def _fits(pattern: str, text: str) -> bool:
    return Patterns((pattern,)).cover(text)
