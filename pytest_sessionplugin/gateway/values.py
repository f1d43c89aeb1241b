"""The values that cross the gateway: deployments, inputs and effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pytest_sessionplugin.gateway.redaction import Redacted, redacted

Headers = tuple[tuple[str, str], ...]
"""Header pairs in the order and the spelling in which they were sent."""


def header(headers: Headers, name: str) -> str | None:
    """The last value of a header; `name` in lower case."""
    for key, value in reversed(headers):  # a loop: next() with a generator takes three times as long
        if key.lower() == name:
            return value
    return None


def on_loopback(url: str) -> bool:
    """Whether a URL names this machine. `//` and a Host header make a URL, too."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def partition(region: str) -> str:
    """The part of an ARN after `arn:`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def dns_suffix(region: str) -> str:
    """The end of the host names of AWS."""
    return "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com"


REST_FUNCTION = "api_handler"
"""The Lambda that serves every REST route of a Chalice app (chalice/deploy/appgraph.py)."""

HANDLER_THREAD = "gateway-handler"
"""The name of each thread that is made to run handlers."""

MAX_EVENT = 6 * 1024 * 1024
"""Bytes of the event of a function whose caller waits, as JSON ("Lambda quotas" says 6 MB)."""

EVENT_TOO_LARGE = f"Request must be smaller than {MAX_EVENT} bytes for the InvokeFunction operation"
"""Lambda's own sentence."""

MAX_RESULT = MAX_EVENT + 100
"""Bytes of the result of a function, as JSON: the number in Lambda's own sentence."""

MAX_BACKLOG = 16 * 1024 * 1024
"""Bytes that may wait for a client that does not read; then posts to it answer 429, as on AWS."""


Claims = Mapping[str, Any]
"""An authorizer's knowledge of a caller: names with texts, numbers and booleans."""


# --- what is deployed


class AuthorizerKind(Enum):
    """The value is its name in a message."""

    BUILT_IN = "built-in"  # a function of the app, asked with the value of a header
    CUSTOM = "custom"  # a function that is deployed elsewhere
    COGNITO = "Cognito"
    IAM = "IAM"


Verified = Callable[[str], bool]
"""Whether a JWT is signed by its issuer, as far as the keys are known. Returns at once."""


@dataclass(frozen=True)
class Authorizer:
    """Guards a method of a route. A custom one cannot be run here."""

    kind: AuthorizerKind
    name: str  # of a built-in one, that of its function
    header: str | None = "Authorization"  # a request without it is refused unasked; None: needs no header
    ttl: float = 300.0  # seconds for which its answer is cached
    pools: tuple[str, ...] = ()  # ARNs of Cognito user pools
    scopes: tuple[str, ...] = ()  # Cognito: the method needs one of them
    verified: Verified | None = None  # checks signatures; None: the keys are unknown


@dataclass(frozen=True)
class Grant:
    """The request may pass. The fields describe its caller to the function."""

    authorizer: Mapping[str, Any] | None = None  # requestContext.authorizer
    identity: Mapping[str, str] = field(default_factory=dict)  # over requestContext.identity


@dataclass(frozen=True)
class Route:
    """One REST resource."""

    path: str  # the template: /sessions/{session_id}
    methods: frozenset[str]
    preflight: Mapping[str, str] | None = None  # headers of the mock OPTIONS method, if CORS is on
    authorizers: Mapping[str, Authorizer] = field(default_factory=dict)  # by method
    keyed: frozenset[str] = frozenset()  # methods that need an API key


@dataclass(frozen=True)
class CustomDomain:
    """A domain of the app's own, which an API mapping leads to the stage of its WebSocket API."""

    name: str
    base_path: str = ""  # of the mapping, without slashes around it; empty for the whole domain

    def __str__(self) -> str:
        return f"{self.name}/{self.base_path}" if self.base_path else self.name


@dataclass(frozen=True)
class GatewayResponse:
    """The form that an API gives to one type of API Gateway's own answers.

    `headers` are mapping expressions by header name: 'text' in quotation marks, context.requestId, or a part of the
    request, as method.request.header.Origin. `template` is that of application/json. None leaves what is there.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None


@dataclass(frozen=True)
class Api:
    """The REST API and the WebSocket API of one app, as `chalice deploy` makes them."""

    routes: tuple[Route, ...] = ()
    # route key ($connect, $default, $disconnect) -> function; a key that is missing is not deployed
    websocket: Mapping[str, str] = field(default_factory=dict)
    binary_types: frozenset[str] = frozenset()
    minimum_compression: int | None = None  # bytes from which an answer is compressed; None: never
    rest_api_id: str = "r3stapi000"
    websocket_api_id: str = "w3bs0cket0"
    websocket_domain: CustomDomain | None = None
    max_url: int = 8192  # characters of path and query; an edge-optimised API has CloudFront's limit
    stage: str = "api"
    region: str = "us-east-1"
    account_id: str = "123456789012"
    api_keys: frozenset[str] = field(default=frozenset(), repr=False)
    access_keys: Mapping[str, str] = field(default_factory=dict, repr=False)  # of the account: id -> secret
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)  # by type, as DEFAULT_4XX

    def numbered(self, number: int) -> Api:
        """The same APIs with the ids of the account's app of this number; 0 is the first app."""
        if number == 0:
            return self
        return replace(self, rest_api_id=f"r3stapi{number:03}", websocket_api_id=f"w3bs0ck{number:03}")

    def host(self, api_id: str) -> str:
        """The host name that Chalice calls (chalice/app.py)."""
        return f"{api_id}.execute-api.{self.region}.{dns_suffix(self.region)}"

    def websocket_host(self, host: str | None) -> str:
        """The WebSocket API's host name, as events have it, for a client that asks for this host."""
        own = self.websocket_domain
        if own is not None and host is not None and host.partition(":")[0].lower() == own.name:
            return own.name
        return self.host(self.websocket_api_id)

    @property
    def partition(self) -> str:
        """The part of an ARN after `arn:`."""
        return partition(self.region)


# --- in


@dataclass(frozen=True, repr=False)
class Request(Redacted):
    """An HTTP request.

    `path` and `query` are raw: percent-encoded, without the question mark. The stage may stand in front of the path,
    as in the URL of a deployed API, or be left out. `claims` replace the answer of the route's authorizer in a test.
    """

    id: str
    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    claims: Claims | None = None


@dataclass(frozen=True, repr=False)
class Handshake(Redacted):
    """A client asks to upgrade. The handshake is pending until Accept or Refuse.

    `throttled`: it exceeds the connections that the account may open in a second.
    """

    connection_id: str
    path: str = "/"
    query: str = ""
    headers: Headers = ()
    source_ip: str = "127.0.0.1"
    throttled: bool = False


@dataclass(frozen=True, repr=False)
class Message(Redacted):
    """A whole message of the client, reassembled; bytes if it was binary."""

    connection_id: str
    data: str | bytes
    largest: int = 0  # bytes of the largest single frame in it, for the 32 KB rule


@dataclass(frozen=True, repr=False)
class Closed(Redacted):
    """The peer closed the socket, or the TCP connection is dead (1006)."""

    connection_id: str
    code: int
    reason: str = ""


@dataclass(frozen=True, repr=False)
class Raised(Redacted):
    """Lambda's report of an exception in a function."""

    error_type: str
    message: str


@dataclass(frozen=True)
class TimedOut:
    """The function exceeded its own time-out."""


@dataclass(frozen=True, repr=False)
class Returned(Redacted):
    """The function of an Invoke has finished."""

    invocation_id: str
    result: Any = None
    error: Raised | TimedOut | None = None


@dataclass(frozen=True, repr=False)
class Manage(Redacted):
    """A call of the @connections API. `path` is raw and has the stage in it.

    `denied` is the answer if its signature is wrong.
    """

    method: str  # POST, GET or DELETE
    host: str
    path: str
    body: bytes = b""
    denied: Reply | None = None


@dataclass(frozen=True)
class Backlog:
    """Whether more than MAX_BACKLOG waits for a client. While `full`, posts to it answer 429."""

    connection_id: str
    full: bool


@dataclass(frozen=True)
class DisconnectLost:
    """The connection's `$disconnect` will not run when it ends: on AWS it is "best effort"."""

    connection_id: str


Input = Request | Handshake | Message | Closed | Returned | Backlog | DisconnectLost


# --- out


@dataclass(frozen=True, repr=False)
class Reply(Redacted):
    """An HTTP answer. `why` explains it here, and is not sent."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    why: str = field(default="", compare=False)


@dataclass(frozen=True, repr=False)
class Invoke(Redacted):
    """Asks for a run of a function with an event. Returned answers it."""

    invocation_id: str
    function: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class Respond:
    request_id: str
    reply: Reply


@dataclass(frozen=True, repr=False)
class Accept(Redacted):
    connection_id: str
    subprotocol: str | None = None


@dataclass(frozen=True)
class Refuse:
    connection_id: str
    reply: Reply


@dataclass(frozen=True, repr=False)
class Send(Redacted):
    connection_id: str
    text: str


@dataclass(frozen=True, repr=False)
class Close(Redacted):
    connection_id: str
    code: int
    reason: str = ""


Effect = Invoke | Respond | Accept | Refuse | Send | Close


@dataclass(frozen=True)
class Note:
    """Explains a decision of the gateway to the developer; `str(note)` is a line of text. No client gets it."""

    id: str  # of the request or the connection

    @property
    def text(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return redacted(self.text)


# --- given to a gateway


class FunctionTimedOut(Exception):
    """Raised by RunFunction if the function exceeds its own time-out; the gateway gets TimedOut."""


RunFunction = Callable[[Invoke], Any]
"""Runs one Lambda function and returns its result. Every exception is a function error."""

Done = Callable[["BaseException | None"], None]
"""Called with a function's exception or None at its end, before the function counts as returned."""

Throttles = Callable[[], bool]
"""Whether the handshake that comes now exceeds its second's limit. Called under the lock."""


def never() -> bool:
    return False


TimeSource = Callable[[], float]
"""Seconds since the epoch."""

Ids = Callable[[], str]
"""Makes an id: in the form of API Gateway (15 URL-safe base64 characters and '='), for an invocation a UUID."""


@dataclass(frozen=True, repr=False)
class Observed(Redacted):
    """An input, effect or call that crossed the gateway, in the core's order, or a note on what follows."""

    at: float
    what: Input | Effect | Manage | Note
    reply: Reply | None = None  # to a Manage
    error: BaseException | None = None  # of a Returned, with its traceback
    order: float = field(
        default=0.0, repr=False, compare=False
    )  # by time.perf_counter: `at` stands with a test's clock

    def kept(self) -> Observed:
        """The same, with a copy of an event: a function may change its own."""
        if not isinstance(self.what, Invoke):
            return self
        invoke = Invoke(self.what.invocation_id, self.what.function, _copied(self.what.event))
        return Observed(self.at, invoke, self.reply, self.error, self.order)


Observe = Callable[[Observed], None]
"""Called under the lock, so that the order is the true one: it may only store, a function's event as `kept()`."""


def _copied(value: Any) -> Any:
    """A copy of JSON, in a fifth of the time of copy.deepcopy. Calls itself for objects and arrays alone."""
    if isinstance(value, dict):
        return {name: _copied(each) if isinstance(each, (dict, list)) else each for name, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) if isinstance(each, (dict, list)) else each for each in value]
    return value
