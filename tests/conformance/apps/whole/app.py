"""An app with handlers of all kinds that follows a client's orders and reports its events to a witness.

Orders are a JSON list of steps, in the query parameter `do` of a handshake, in the field `do` of a message, or in the
body of POST /do:

    ["send", id, text]    posts to a connection, "self" for its own; reports the outcome to the witness
    ["info", id]          the same with GetConnection
    ["close", id]         the same with DeleteConnection
    ["hold", name]        waits for PUT /go/{name}
    ["return", value]     returns the value unchanged
    ["respond", {...}]    returns Chalice's Response with these arguments
    ["result", {...}]     returns this from an HTTP view, past Chalice
    ["raise", text]       raises RuntimeError
    ["unauthorized", text]  raises Chalice's UnauthorizedError
    ["forbidden", text]   raises ForbiddenError, which a middleware turns into a Response
    ["exit"]              ends as sys.exit() ends a program
    ["endpoint"]          reports the endpoint of @connections and its environment variable to the witness
    ["configure", domain, stage]  configures websocket_api
    ["apart", {...}, name, ...]   one of the first three steps, or "endpoint", with a separate WebsocketAPI:
                          `session`, whether it has one, and `configure`, domain and stage
    ["rest"]              passes its event to the HTTP views; reports the outcome to the witness

The witness is the connection in `witness`, beside `do`. A message's default witness is its own connection, that of a
$disconnect the one of its $connect. A handshake without a query may name it in the header X-Witness.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.exceptions import ClientError
from chalice.app import (
    AuthRequest,
    AuthResponse,
    Chalice,
    CORSConfig,
    ForbiddenError,
    IAMAuthorizer,
    Request,
    Response,
    UnauthorizedError,
    WebsocketAPI,
    WebsocketDisconnectedError,
    WebsocketEvent,
)

app = Chalice(app_name="whole")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
app.api.binary_types.append("application/x-conformance")

COPY = uuid.uuid4().hex  # on AWS, each function has its own
HOLD_SECONDS = 40.0
ENDPOINT = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"
UNCAUGHT = "uncaught:"  # prefix of a message whose handler accepts text other than JSON

invocations = 0


def notes() -> Any:
    return boto3.resource("dynamodb").Table(os.environ["NOTES_TABLE"])


# --- orders


def follow(steps: list[Any], event: WebsocketEvent | None, told: Callable[[Any], None]) -> Any:
    """Runs the steps; returns the value of the last one that has one, else None."""
    own = event.connection_id if event is not None else None
    for name, *arguments in steps:
        if name in CALLS:
            told({name: tried(app.websocket_api, name, *arguments, own=own)})
        elif name == "apart":
            told({name: tried(apart(**arguments[0]), *arguments[1:], own=own)})
        elif name == "configure":
            app.websocket_api.configure(*arguments)
        elif name == "rest":
            assert event is not None
            told({name: app(event.to_dict(), event.context)})
        elif name == "hold":
            hold(arguments[0])
        elif name in ENDINGS:
            return ENDINGS[name](*arguments)
        else:
            raise ValueError(f"no such step: {name}")
    return None


class Result(Response):
    """The value that a view returns past Chalice."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("")
        self.result = result

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        return self.result


def fail(error: Exception) -> None:
    raise error


CALLS = ("send", "info", "close", "endpoint")
ENDINGS: dict[str, Callable[..., Any]] = {
    "return": lambda value: value,
    "respond": lambda arguments: Response(**arguments),
    "result": Result,
    "raise": lambda text: fail(RuntimeError(text)),
    "unauthorized": lambda text: fail(UnauthorizedError(text)),
    "forbidden": lambda text: fail(ForbiddenError(text)),
    "exit": lambda: sys.exit(1),
}


def tried(api: WebsocketAPI, name: str, connection: str = "self", *arguments: str, own: str | None) -> Any:
    """The outcome of a call of @connections: its answer, or the error's name."""
    target = own if connection == "self" else connection
    try:
        if name == "endpoint":
            api._get_client()  # raises if it is missing
            return {"url": api._endpoint, "environment": os.environ.get(ENDPOINT)}
        answer = getattr(api, name)(target, *arguments)
        return json.loads(json.dumps(answer, default=str)) if name == "info" else "ok"
    except WebsocketDisconnectedError as error:
        return "WebsocketDisconnectedError" if error.connection_id == target else f"of {error.connection_id}"
    except ClientError as error:
        return error.response["Error"]["Code"]
    except ValueError as error:
        return f"ValueError: {error}"


def apart(session: bool, configure: tuple[str, str] | None = None) -> WebsocketAPI:
    """A WebsocketAPI that no other function or event has configured."""
    api = WebsocketAPI()
    if session:
        api.session = app.websocket_api.session
    if configure is not None:
        api.configure(*configure)
    return api


def hold(name: str) -> None:
    """A Lambda function that waits: it polls, up to a limit."""
    until = time.monotonic() + HOLD_SECONDS
    while "Item" not in notes().get_item(Key={"name": f"go {name}"}, ConsistentRead=True):
        if time.monotonic() > until:
            raise TimeoutError(f"nobody said PUT /go/{name}")
        time.sleep(0.05)


def tell(witness: str | None, what: dict[str, Any]) -> None:
    if witness is not None:
        app.websocket_api.send(witness, json.dumps(what, default=str))


# --- WebSocket


@app.middleware("websocket")
def translate(event: Any, get_response: Callable[[Any], Any]) -> Any:
    try:
        return get_response(event)
    except ForbiddenError as error:
        return Response(str(error), status_code=error.STATUS_CODE)


def handle(kind: str, event: WebsocketEvent, witness: str | None, steps: list[Any], **more: Any) -> Any:
    global invocations
    invocations += 1
    report = {
        "told": kind,
        "event": event.to_dict(),
        "attributes": {name: value for name, value in vars(event).items() if not name.startswith("_")},
        "function": getattr(event.context, "function_name", None),
        "copy": COPY,
        "invocations": invocations,
        **more,
    }
    tell(witness, report)
    return follow(steps, event, lambda outcome: tell(witness, {"told": "outcome", **outcome}))


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> Any:
    whole = event.to_dict()
    query = whole.get("queryStringParameters") or {}
    headers = {name.lower(): value for name, value in whole["headers"].items()}
    witness = query.get("witness", headers.get("x-witness"))
    if witness is not None:
        notes().put_item(Item={"name": f"witness of {event.connection_id}", "witness": witness})
    return handle("connect", event, witness, json.loads(query.get("do", "[]")))


@app.on_ws_message()
def message(event: WebsocketEvent) -> Any:
    try:
        said: Any = event.json_body
    except Exception:
        if event.body.startswith(UNCAUGHT):
            raise
        said = {}  # clients may send anything, and get back the text that arrived
    orders = said if isinstance(said, dict) else {}
    witness = orders.get("witness", event.connection_id)
    return handle("message", event, witness, orders.get("do", []), json=said)


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> Any:
    kept = notes().get_item(Key={"name": f"witness of {event.connection_id}"}, ConsistentRead=True).get("Item", {})
    steps = json.loads(kept.get("steps", "[]"))
    return handle("disconnect", event, kept.get("witness"), steps)


# --- HTTP


def here() -> Request:
    request = app.current_request
    assert request is not None
    return request


def seen() -> dict[str, Any]:
    """The event of this request, unchanged."""
    return {"event": here().to_original_event(), "copy": COPY, "function": app.lambda_context.function_name}


ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TEXT = ["application/json", "text/plain"]
BINARY = ["application/octet-stream", "application/x-conformance"]  # Chalice deploys no view that takes both kinds


@app.route("/", methods=["GET", "HEAD"])
def root() -> Any:
    return seen()


@app.route("/echo", methods=ANY, content_types=TEXT)
def echo() -> Any:
    return seen()


@app.route("/bytes", methods=["POST", "PUT"], content_types=BINARY)
def echo_bytes() -> Any:
    return seen()


@app.route("/echo/fixed")
def echo_fixed() -> Any:
    return seen()


@app.route("/echo/{first}")
def echo_one(first: str) -> Any:
    return {"first": first, **seen()}


@app.route("/echo/{first}/{second}")
def echo_two(first: str, second: str) -> Any:
    return {"first": first, "second": second, **seen()}


@app.route("/json", methods=["POST"])
def only_json() -> Any:
    return seen()


@app.route("/do", methods=["POST"])
def do() -> Any:
    """The outcomes are JSON in the header `outcomes`; a returned value has no such header."""
    outcomes: list[Any] = []
    returned = follow(json.loads(here().raw_body), None, outcomes.append)
    return Response({"outcomes": outcomes}) if returned is None else returned


@app.route("/bytes/{media}", methods=["GET"])
def some_bytes(media: str) -> Response:
    return Response(b"\xde\xad\xbe\xef", headers={"Content-Type": f"application/{media}"})


@app.route("/go/{name}", methods=["PUT"])
def go(name: str) -> Any:
    notes().put_item(Item={"name": f"go {name}"})
    return {}


@app.route("/leave/{connection}", methods=["PUT"])
def at_disconnect(connection: str) -> Any:
    """The steps of the body become those of the connection's $disconnect; its witness stays."""
    notes().update_item(
        Key={"name": f"witness of {unquote(connection)}"},
        UpdateExpression="SET steps = :steps",
        ExpressionAttributeValues={":steps": json.dumps(json.loads(here().raw_body))},
    )
    return {}


# --- CORS, keys, authorizers


@app.route("/cors", methods=["GET", "PUT"], cors=CORSConfig(allow_origin="https://example.org", max_age=60))
def cors() -> Any:
    return seen()


@app.route("/own-options", methods=["GET", "OPTIONS"])
def own_options() -> Any:
    return seen()


@app.route("/keyed", api_key_required=True)
def keyed() -> Any:
    return seen()


@app.route("/signed", authorizer=IAMAuthorizer())
def signed() -> Any:
    return seen()


def judge(request: AuthRequest) -> Any:
    """The token names the answer."""
    notes().update_item(
        Key={"name": "asked"},
        UpdateExpression="ADD times :one",
        ExpressionAttributeValues={":one": 1},
    )
    order, _, rest = request.token.partition(" ")
    context: Any = {"asked": uuid.uuid4().hex, "number": 1, "flag": True, "type": request.auth_type}
    if order == "routes":
        return AuthResponse(routes=json.loads(rest), principal_id="alice", context=context)
    if order == "this":
        return policy("Allow", request.method_arn, context)
    if order == "deny":
        return policy("Deny", "*", context)
    if order == "large":
        return policy("Allow", "*", {"padding": "x" * int(rest.split()[0])})
    if order == "raise":
        raise RuntimeError(rest)
    if order == "unauthorized":
        raise UnauthorizedError(rest)
    if order == "return":
        return json.loads(rest)
    raise ValueError(f"no such order: {order}")


def policy(effect: str, resource: str, context: dict[str, Any]) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {
        "principalId": "alice",
        "context": context,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
    }


@app.authorizer()
def cached(request: AuthRequest) -> Any:
    return judge(request)


@app.authorizer(ttl_seconds=0)
def uncached(request: AuthRequest) -> Any:
    return judge(request)


@app.authorizer(header="X-Token")
def by_header(request: AuthRequest) -> Any:
    return judge(request)


@app.route("/asked")
def asked() -> Any:
    """Number of runs of an authorizer."""
    item = notes().get_item(Key={"name": "asked"}, ConsistentRead=True).get("Item", {})
    return {"times": int(item.get("times", 0))}


@app.route("/guarded/one", methods=["GET", "PUT"], authorizer=cached)
def guarded_one() -> Any:
    return seen()


@app.route("/guarded/two", authorizer=cached)
def guarded_two() -> Any:
    return seen()


@app.route("/guarded/item/{name}", authorizer=cached)
def guarded_item(name: str) -> Any:
    return seen()


@app.route("/always-asked", authorizer=uncached)
def always_asked() -> Any:
    return seen()


@app.route("/guarded/by-header", authorizer=by_header)
def guarded_by_header() -> Any:
    return seen()
