"""The values that cross the gateway: deployments, inputs and effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

Headers = tuple[tuple[str, str], ...]
"""Header pairs in the order and the spelling in which they were sent."""


def header(headers: Headers, name: str) -> str | None:
    """The last value of a header; `name` in lower case."""
    for key, value in reversed(headers):  # a loop: next() with a generator takes three times as long
        if key.lower() == name:
            return value
    return None


REST_FUNCTION = "api_handler"
"""The Lambda that serves every REST route of a Chalice app (chalice/deploy/appgraph.py)."""

MAX_BACKLOG = 16 * 1024 * 1024
"""Bytes that may wait for a client who does not read; then posts to it answer 429, as on AWS."""


Claims = Mapping[str, Any]
"""What an authorizer knows of a caller: names to texts, numbers and booleans."""


# --- what is deployed


class AuthorizerKind(Enum):
    """The value is its name in a message."""

    BUILT_IN = "built-in"  # a function of the app, asked with the value of a header
    CUSTOM = "custom"  # a function that is deployed elsewhere
    COGNITO = "Cognito"
    IAM = "IAM"


Verified = Callable[[str], bool]
"""Says of a JWT whether its signature is that of its issuer, as far as that is known. It does not wait for anything."""


@dataclass(frozen=True)
class Authorizer:
    """What guards a method of a route. A custom one cannot be run here."""

    kind: AuthorizerKind
    name: str  # of a built-in one, that of its function
    header: str | None = "Authorization"  # without it nobody is asked; None: it asks for no header
    ttl: float = 300.0  # seconds for which its answer is kept; 0: not at all
    pools: tuple[str, ...] = ()  # ARNs of the user pools of Cognito
    scopes: tuple[str, ...] = ()  # one of which the method needs, if Cognito guards it
    verified: Verified | None = None  # who knows the keys of a pool; None: nobody does


@dataclass(frozen=True)
class Grant:
    """The request may pass; this is what its function is told of the caller."""

    authorizer: Mapping[str, Any] | None = None  # requestContext.authorizer
    identity: Mapping[str, str] = field(default_factory=dict)  # over requestContext.identity


@dataclass(frozen=True)
class Route:
    """One REST resource."""

    path: str  # the template: /sessions/{session_id}
    methods: frozenset[str]
    preflight: Mapping[str, str] | None = None  # headers of the mock OPTIONS method, if CORS is on
    authorizers: Mapping[str, Authorizer] = field(default_factory=dict)  # method -> what guards it, if anything
    keyed: frozenset[str] = frozenset()  # methods that need an API key


@dataclass(frozen=True)
class Api:
    """The REST API and the WebSocket API of one app, as `chalice deploy` makes them."""

    routes: tuple[Route, ...] = ()
    # route key ($connect, $default, $disconnect) -> function; a key that is missing is not deployed
    websocket: Mapping[str, str] = field(default_factory=dict)
    binary_types: frozenset[str] = frozenset()
    minimum_compression: int | None = None  # bytes from which on an answer is compressed; None: none is
    rest_api_id: str = "r3stapi000"
    websocket_api_id: str = "w3bs0cket0"
    max_url: int = 8192  # characters of path and query; an edge-optimised API has CloudFront's limit
    stage: str = "api"
    region: str = "us-east-1"
    account_id: str = "123456789012"
    api_keys: frozenset[str] = field(default=frozenset(), repr=False)
    access_keys: Mapping[str, str] = field(default_factory=dict, repr=False)  # of the account: id -> secret

    def numbered(self, number: int) -> Api:
        """The APIs of another app of the account, with ids of their own; 0 is the first app's."""
        if number == 0:
            return self
        return replace(self, rest_api_id=f"r3stapi{number:03}", websocket_api_id=f"w3bs0ck{number:03}")

    def host(self, api_id: str) -> str:
        """The one that Chalice calls (chalice/app.py)."""
        return f"{api_id}.execute-api.{self.region}.amazonaws.com{'.cn' if self.partition == 'aws-cn' else ''}"

    @property
    def partition(self) -> str:
        """What an ARN begins with, after `arn:`."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"


# --- in


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    `path` and `query` are raw: percent-encoded, without the question mark. The stage may stand in front of the path,
    as in the URL of a deployed API, or be left out. With `claims` the route's authorizer is not asked: a test says
    what it would have answered.
    """

    id: str
    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    claims: Claims | None = None


@dataclass(frozen=True)
class Handshake:
    """A client asks to upgrade. The handshake is pending until Accept or Refuse.

    `throttled`: more come than the account may open in a second.
    """

    connection_id: str
    path: str = "/"
    query: str = ""
    headers: Headers = ()
    source_ip: str = "127.0.0.1"
    throttled: bool = False


@dataclass(frozen=True)
class Frame:
    """A whole message of the client, reassembled; bytes if it was binary."""

    connection_id: str
    data: str | bytes
    largest: int = 0  # bytes of the largest single frame in it, for the 32 KB rule


@dataclass(frozen=True)
class Closed:
    """The peer closed the socket, or the line is dead (1006)."""

    connection_id: str
    code: int
    reason: str = ""


@dataclass(frozen=True)
class Raised:
    """The function raised: what Lambda reports of it."""

    error_type: str
    message: str


@dataclass(frozen=True)
class TimedOut:
    """The function ran into its own time-out."""


@dataclass(frozen=True)
class Returned:
    """The function that Invoke asked for has finished."""

    invocation_id: str
    result: Any = None
    error: Raised | TimedOut | None = None


@dataclass(frozen=True)
class Manage:
    """A call of the @connections API. `path` is raw and has the stage in it.

    `denied` is what its signature is answered with, if that does not hold.
    """

    method: str  # POST, GET or DELETE
    host: str
    path: str
    body: bytes = b""
    denied: Reply | None = None


@dataclass(frozen=True)
class Backlog:
    """Whether more waits to be sent to a client than its line may hold: while `full`, posts answer 429."""

    connection_id: str
    full: bool


@dataclass(frozen=True)
class DisconnectLost:
    """Whenever this connection ends, its `$disconnect` will not run: it is "best effort" on AWS."""

    connection_id: str


Input = Request | Handshake | Frame | Closed | Returned | Backlog | DisconnectLost


# --- out


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True)
class Invoke:
    """Run this function with this event, then say Returned."""

    invocation_id: str
    function: str
    event: Mapping[str, Any]


@dataclass(frozen=True)
class Respond:
    request_id: str
    reply: Reply


@dataclass(frozen=True)
class Accept:
    connection_id: str
    subprotocol: str | None = None


@dataclass(frozen=True)
class Refuse:
    connection_id: str
    reply: Reply


@dataclass(frozen=True)
class Send:
    connection_id: str
    text: str


@dataclass(frozen=True)
class Close:
    connection_id: str
    code: int
    reason: str = ""


Effect = Invoke | Respond | Accept | Refuse | Send | Close

# --- what the shells are given


class FunctionTimedOut(Exception):
    """Raised out of Functions: the function ran into its own time-out, and the gateway gets TimedOut."""


RunFunction = Callable[[Invoke], Any]
"""Runs one Lambda and gives what it returned; whatever it raises is a function error."""

Done = Callable[["BaseException | None"], None]
"""Told of the end of a function for which nobody waits, with what it raised, before anybody can find that it ended."""

Throttles = Callable[[], bool]
"""Whether the handshake that comes now is one too many in its second. Called with the core locked."""


def never() -> bool:
    return False


TimeSource = Callable[[], float]
"""Seconds since the epoch."""

Ids = Callable[[], str]
"""A new id at each call, in the form of API Gateway: 15 URL-safe base64 characters and '='."""


@dataclass(frozen=True)
class Observed:
    """One thing that crossed the gateway, in the order in which the core saw it."""

    at: float
    what: Input | Effect | Manage
    reply: Reply | None = None  # what a Manage was answered
    error: BaseException | None = None  # what a function raised, with its traceback; on Returned


Observe = Callable[[Observed], None]
"""Called with the core locked, so that the order is the true one: it may store, and nothing else."""
