"""A tiny app for the gateway's tests: its functions do what the message, the request or the token tells them to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.values import (
    Api,
    Authorizer,
    AuthorizerKind,
    FunctionTimedOut,
    Invoke,
    Manage,
    Reply,
    Route,
)

POOL = Authorizer(
    AuthorizerKind.COGNITO,
    "pool",
    pools=("arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_x",),
    verified=lambda token: token.endswith(".good"),
)

API = Api(
    routes=(
        Route("/log", frozenset({"GET"})),
        Route("/echo", frozenset({"GET", "POST", "PUT", "HEAD"}), preflight={"Access-Control-Allow-Origin": "*"}),
        Route("/members/{id}", frozenset({"GET", "POST", "DELETE"})),
        Route("/crash", frozenset({"GET"})),
        Route("/status/{status}", frozenset({"GET"})),
        Route("/large/{size}", frozenset({"GET", "POST"})),
        Route(
            "/guarded/{place}",
            frozenset({"GET", "PUT"}),
            authorizers={"GET": Authorizer(AuthorizerKind.BUILT_IN, "guard")},
        ),
        Route("/cognito", frozenset({"GET"}), authorizers={"GET": POOL}),
        Route("/keyed", frozenset({"GET"}), keyed=frozenset({"GET"})),
        Route("/returned", frozenset({"POST"})),
        Route("/iam", frozenset({"GET"}), authorizers={"GET": Authorizer(AuthorizerKind.IAM, "sigv4")}),
    ),
    websocket={"$connect": "connect", "$default": "message", "$disconnect": "disconnect"},
    binary_types=frozenset({"application/octet-stream"}),
    minimum_compression=100,
    api_keys=frozenset({"a-key"}),
    access_keys={"AKID": "secret"},
)


class App:
    """A test sets `gateway` to the one in front."""

    gateway: GatewayClient

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.gate = threading.Event()  # the message "wait" waits for it
        self.second_gate = threading.Event()
        self.waiting = threading.Semaphore(0)  # released by each that waits

    def __call__(self, invoke: Invoke) -> Any:
        handler: Callable[[Any], Any] = getattr(self, invoke.function)
        return handler(invoke.event)

    def manage(self, method: str, connection_id: str, text: str = "") -> Reply:
        path = f"/{API.stage}/@connections/{connection_id.replace('=', '%3D')}"
        return self.gateway.runtime.manage(Manage(method, API.host(API.websocket_api_id), path, text.encode()))

    # --- functions

    def connect(self, event: Any) -> Any:
        query = event.get("queryStringParameters", {})
        connection_id = event["requestContext"]["connectionId"]
        self.log.append(("connect", connection_id))
        if "crash" in query:
            raise ValueError("no")
        if "post" in query:
            self.log.append(self.manage("POST", connection_id, "too early").status)
        if "wait" in query:
            self.waiting.release()
            assert self.gate.wait(10)
        if "protocol" in query:
            return {"statusCode": 200, "headers": {"sec-websocket-protocol": query["protocol"]}}
        return {"statusCode": int(query.get("status", 200)), "body": "dropped"}

    def message(self, event: Any) -> Any:
        me = event["requestContext"]["connectionId"]
        verb, _, rest = event["body"].partition(" ")
        if verb == "echo":
            self.manage("POST", me, rest)
        elif verb == "post":
            to, _, text = rest.partition(" ")
            self.log.append(self.manage("POST", to, text).status)
        elif verb == "kick":
            self.log.append(self.manage("DELETE", rest or me).status)
            self.log.append("kicked")
        elif verb == "raise":
            raise ValueError(rest)
        elif verb == "late":
            raise FunctionTimedOut
        elif verb == "return":
            return json.loads(rest)
        elif verb == "wait":
            self.waiting.release()
            assert self.gate.wait(10)
            self.manage("POST", me, rest)
        elif verb == "wait-post-wait":
            to, _, text = rest.partition(" ")
            self.waiting.release()
            assert self.gate.wait(10)
            self.manage("POST", to, text)
            assert self.second_gate.wait(60)  # longer than anyone waits for quiet
        return {"statusCode": 200, "body": "dropped"}

    def disconnect(self, event: Any) -> Any:
        context = event["requestContext"]
        code, reason = context["disconnectStatusCode"], context["disconnectReason"]
        self.log.append(("disconnect", context["connectionId"], code, reason))
        self.log.append(self.manage("POST", context["connectionId"], "too late").status)
        return {"statusCode": 200}

    def api_handler(self, event: Any) -> Any:
        resource, method = event["resource"], event["httpMethod"]
        if resource == "/crash":
            raise ImportError("no module")
        if resource == "/returned":
            return json.loads(event["body"])
        if resource in ("/echo", "/guarded/{place}", "/cognito", "/keyed", "/iam"):
            return {"statusCode": 200, "headers": {"X-Echo": "1"}, "body": json.dumps(event)}
        if resource == "/members/{id}":
            connection_id = event["pathParameters"]["id"].replace("%3D", "=")
            reply = self.manage(method, connection_id, event["body"] or "")
            return {"statusCode": reply.status, "body": reply.body.decode()}
        if resource == "/large/{size}":
            return {"statusCode": 200, "body": "x" * int(event["pathParameters"]["size"])}
        if resource == "/status/{status}":
            return {"statusCode": int(event["pathParameters"]["status"]), "body": "a body"}
        return {"statusCode": 200, "body": json.dumps(self.log)}

    def guard(self, event: Any) -> Any:
        """Lets a token pass to the place that it names; the token "crash" is a bug."""
        self.log.append(("guard", event["authorizationToken"]))
        if event["authorizationToken"] == "nobody":
            raise ValueError("Unauthorized")
        if event["authorizationToken"] == "crash":
            raise ZeroDivisionError("a bug")
        api_and_stage = "/".join(event["methodArn"].split("/")[:2])
        resource = f"{api_and_stage}/*/guarded/{event['authorizationToken']}"
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
        return {"principalId": "alice", "policyDocument": {"Statement": [statement]}, "context": {"level": 3}}

    def job(self, event: Any) -> Any:
        """A function that no route runs, as a schedule has."""
        if "raise" in event:
            raise ValueError(event["raise"])
        if "kick" in event:
            self.manage("DELETE", event["kick"])
        self.log.append("job")
        return {"did": event, "tuple": (1, 2)}
