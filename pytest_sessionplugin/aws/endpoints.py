"""Host names of AWS: which ones are AWS's, and that of a service in a region, wherever a client was sent.

Sources: "AWS service endpoints", "FIPS endpoints" and "Dual stack endpoints" in the AWS General Reference; "Use IMDS"
in the EC2 user guide; "Task metadata endpoint" in the ECS developer guide.
"""

from __future__ import annotations

import functools
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from botocore.model import ServiceModel

MANAGEMENT = "apigatewaymanagementapi"
TABLES = ("dynamodb", "dynamodbstreams")
"""Services that a DynamoDB on this machine answers."""

METADATA = frozenset({"169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
"""Addresses of a machine's or a container's own metadata and credentials. A Lambda function has none of them."""

_DOMAINS = (
    *("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "on.aws", "amazoncognito.com"),
    *("c2s.ic.gov", "sc2s.sgov.gov", "csp.hci.ic.gov", "cloud.adc-e.uk", "api.amazonwebservices.com.cn"),
)
_UNUSUAL = re.compile(r"(^|[.-])(fips|vpce|dualstack|ddb)[.-]|\.api\.aws$|\.api\.amazonwebservices\.com\.cn$")
_S3 = re.compile(
    r"((?P<bucket>.+)\.)?s3(?P<rest>[.-](?!control|outposts|object|accesspoint)[a-z0-9.-]+)?\.amazonaws\.com(\.cn)?"
)
_REGION = re.compile(r"[a-z]{2,4}(-gov|-iso[a-z]?|-de)?-[a-z]+-\d")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound
_LABEL = re.compile(r"\{(\w+)\}")
_PARAMETERS = "sessionplugin_parameters"  # key in botocore's context of a call, which its handlers may add to


def is_aws(host: str) -> bool:
    """Whether a host name, with or without a port, is in a domain of AWS's partitions."""
    name = host.partition(":")[0].lower().rstrip(".")
    return name.endswith(tuple(f".{domain}" for domain in _DOMAINS))


def why_not(host: str, *, other_hosts: bool) -> str | None:
    """Why no connection may be made to a host, as a sentence; None if one may."""
    if is_aws(host):
        return "it would leave the process. botocore, aiobotocore, urllib, requests and httpx are answered here."
    if other_hosts or _is_here(host):
        return None
    return (
        "other_hosts = false in [tool.sessionplugin]. Mock it, or allow it to a test with "
        '@pytest.mark.chalice(allow="other_hosts").'
    )


def _is_here(host: str) -> bool:
    """Whether a host is this machine, or stands for all its addresses, to which servers bind."""
    from pytest_sessionplugin.gateway.values import on_loopback  # 20 ms, which most child processes need not wait

    name = host.strip("[]").partition("%")[0].lower()
    url = f"//[{name}]" if ":" in name else f"//{name}"
    return name in _ANY or name == socket.gethostname().lower() or on_loopback(url)


def check_metadata(host: str) -> None:
    """Raises ConnectionRefusedError for metadata of a machine: on Lambda, libraries that look for it do without."""
    if host.strip("[]").partition("%")[0].lower() in METADATA:
        reason = "a Lambda function has no metadata of a machine; its credentials are in variables."
        raise ConnectionRefusedError(f"no connection to {host}: {reason}")


def is_usual(host: str) -> bool:
    """Whether emulators know this host of AWS: not one for FIPS, for IPv6, in a VPC or of one account."""
    return is_aws(host) and _UNUSUAL.search(host.lower()) is None


@dataclass(frozen=True)
class S3Place:
    """Bucket and region in a host of S3."""

    bucket: str | None
    region: str


def s3_place(host: str) -> S3Place | None:
    """The bucket and the region in a host of S3; None for another service."""
    found = _S3.fullmatch(host.lower())
    region = _REGION.search(found["rest"] or "") if found else None
    return S3Place(found["bucket"], region[0] if region else "us-east-1") if found else None


@functools.lru_cache(256)
def endpoint_host(prefix: str, region: str) -> str:
    """The host name of a service in a region; in one that botocore does not know, the usual one."""
    from botocore.loaders import create_loader
    from botocore.regions import EndpointResolver

    endpoints = create_loader(os.environ.get("AWS_DATA_PATH")).load_data("endpoints")
    found = EndpointResolver(endpoints).construct_endpoint(prefix, region)
    host = str(found["hostname"]) if found else ""
    return host if is_aws(host) else f"{prefix}.{region}.amazonaws.com"  # DynamoDB's region "local" is localhost


def endpoint(service: ServiceModel, region: str) -> str:
    """The URL of a service in a region."""
    return f"https://{endpoint_host(service.endpoint_prefix, region)}"


def led(
    url: str,
    service: ServiceModel,
    operation: str,
    region: str,
    parameters: Mapping[str, Any],
    elsewhere: Mapping[str, str],
) -> str:
    """The URL of a request, which leads to AWS wherever its client was sent. `elsewhere` has the URLs of services that
    are not emulated. Calls of @connections keep their host, which has to be the right one.
    """
    place = urlsplit(url).netloc
    if service.service_name == MANAGEMENT or place in {urlsplit(each).netloc for each in elsewhere.values()}:
        return url
    real = elsewhere.get(service.service_name)
    if real is None and is_usual(place):
        return url
    return moved(url, real or endpoint(service, region), service, operation, parameters)


def moved(url: str, endpoint: str, service: ServiceModel, operation: str, parameters: Mapping[str, Any]) -> str:
    """The URL of a request at another endpoint, which gets what its host had in front: a bucket, an account id."""
    old, new = urlsplit(url), urlsplit(endpoint)
    front = next((each for each in _in_front(service, operation, parameters) if old.netloc.startswith(each)), "")
    return urlunsplit((new.scheme, f"{front}{new.netloc}", old.path, old.query, ""))


def _in_front(service: ServiceModel, operation: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    for name in ("Bucket", "AccountId"):
        if parameters.get(name):
            yield f"{parameters[name]}."
    model: Any = service.operation_model(operation)
    if literal := (model.endpoint or {}).get("hostPrefix"):
        yield _LABEL.sub(lambda label: str(parameters.get(label[1], "")), literal)


class Destinations:
    """Leads the requests of botocore's clients to AWS. Handles the events of a call up to its signature.

    `elsewhere` gives the URLs of services that are not emulated.
    """

    def __init__(self, elsewhere: Callable[[], Mapping[str, str]]) -> None:
        self._elsewhere = elsewhere
        self._services: dict[str, ServiceModel] = {}  # by their names in events

    def before_parameter_build(
        self, event_name: str, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> None:
        """Keeps the parameters as the caller gave them; from here on they are a request."""
        self._services[event_name.split(".")[1]] = model.service_model
        context[_PARAMETERS] = params

    def called(self, event_name: str) -> tuple[ServiceModel, str]:
        """Service and operation of an event, once the parameters of the call were built."""
        name, operation = event_name.split(".")[1:]
        return self._services[name], operation

    def parameters(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters of a call as its caller gave them."""
        kept: Mapping[str, Any] = context.get(_PARAMETERS, {})
        return kept

    def url(self, event_name: str, request: Any, region: str) -> str:
        """The URL to sign, of a call or in advance."""
        name, operation = event_name.split(".")[1:]
        service = self._services.get(name)
        if service is None:
            return str(request.url)
        return led(request.url, service, operation, region, self.parameters(request.context), self._elsewhere())
