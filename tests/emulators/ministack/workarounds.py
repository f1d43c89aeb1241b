"""Workarounds for the faults of MiniStack 1.5.33, all of them; deployed code knows none.

Around a deploy, `in_deploy`:

- ImportRestApi makes an empty API and PutRestApi is missing: the API is created call by call (`rest_api.py`).
- Removing `minimumCompressionSize` turns it into a text, which botocore cannot read: it is not removed.
- Chalice polls every five seconds for a function to become active: here it polls twenty times a second.

Inside each function, `in_function`, by a copy of this file beside the app:

- Hosts such as `<api>.execute-api.<region>.amazonaws.com` lead to AWS or nowhere: calls of @connections are sent to
  MiniStack. No variable of botocore can do that, since Chalice and the service name their endpoint explicitly.

Inside MiniStack itself, which this file starts:

- A function stays pending for half a second without reason: `hurry` makes that a fiftieth.
- Every refusal of `$connect` is a 403: `mend_handshakes` gives it the function's status.
- `Sec-WebSocket-Protocol` of a function's answer is dropped: `mend_handshakes` passes it to the client.
- `WWW-Authenticate` keeps its name, which API Gateway remaps: `mend_http` renames it.
- The path of an API has a prefix before its stage, so a Location, which begins with the stage, would have the stage
  twice: `mend_http` removes the repetition.

docs/operations.md lists what remains unlike AWS.
Three interpreters run this file, so it imports only the standard library until one of the three is called.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BESIDE_APP = "ministack_in_function"
UNLIKE_AWS = {
    "test_a_problem_carries_the_id_under_which_api_gateway_knows_the_request": "the answer has another id",
}
"""Names of service tests that fail on MiniStack, and why; not worked around."""
STALE = {"resourcegroupstaggingapi:GetResources", "resourcegroupstaggingapi:GetTagKeys"}
"""Questions about tags whose answers still include the tables of deleted stacks."""
REMAPPED = {"www-authenticate": "x-amzn-Remapped-WWW-Authenticate"}
MENDED = "mended"
BEFORE_NEXT_LOOK = {"Delay": 0.05, "MaxAttempts": 400}  # seconds


# --- around a deploy


def in_deploy() -> None:
    """Applies the workarounds to Chalice's deployer and botocore's waiters in this process, for good."""
    from chalice.deploy import deployer

    deployer.TypedAWSClient = chalice_client()  # type: ignore[attr-defined]  # its own client


def chalice_client() -> Any:
    """Chalice's AWS client, which creates REST APIs call by call and polls functions quickly."""
    from chalice.awsclient import TypedAWSClient

    from tests.emulators.ministack import rest_api

    class Client(TypedAWSClient):
        def import_rest_api(self, swagger_document: dict[str, Any], endpoint_type: str) -> str:
            return rest_api.create(self._client("apigateway"), swagger_document, endpoint_type)

        def update_api_from_swagger(self, rest_api_id: str, swagger_document: dict[str, Any]) -> None:
            rest_api.overwrite(self._client("apigateway"), rest_api_id, swagger_document)

        def update_rest_api(self, rest_api_id: str, patch_operations: list[dict[str, Any]]) -> None:
            told = [one for one in patch_operations if (one["path"], one["value"]) != ("/minimumCompressionSize", "")]
            if told:
                super().update_rest_api(rest_api_id, told)

        def _wait_for_active(self, function_name: str) -> None:
            self._look("function_active", function_name)

        def _wait_for_function_update(self, function_name: str) -> None:
            self._look("function_updated", function_name)

        def _look(self, waiter: str, function_name: str) -> None:
            self._client("lambda").get_waiter(waiter).wait(FunctionName=function_name, WaiterConfig=BEFORE_NEXT_LOOK)

    return Client


# --- inside each function


def put_beside(project: Path) -> None:
    """Copies this file beside the app of a copied project, and makes the app call it."""
    vendor = project / "vendor"
    vendor.mkdir(exist_ok=True)
    shutil.copy(__file__, vendor / f"{BESIDE_APP}.py")
    with (project / "app.py").open("a", encoding="utf-8") as app:
        app.write(f"\nimport {BESIDE_APP}\n\n{BESIDE_APP}.in_function()\n")


def in_function() -> None:
    """Sends calls of @connections to MiniStack, in this process, for good."""
    from botocore.session import Session

    create = Session.create_client

    def create_client(self: Session, service_name: str, *arguments: Any, **options: Any) -> Any:
        url = urlsplit(options.get("endpoint_url") or "")
        api, dot, _ = (url.hostname or "").partition(".execute-api.")
        if service_name == "apigatewaymanagementapi" and dot:
            options["endpoint_url"] = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}{url.path}"
        return create(self, service_name, *arguments, **options)

    Session.create_client = create_client  # type: ignore[method-assign]


# --- inside MiniStack

_answer: ContextVar[dict[str, Any]] = ContextVar("what $connect answered on this socket")


def hurry() -> None:
    """Makes functions active almost at once."""
    functions: Any = import_module("ministack.services.lambda_svc")
    functions._LAMBDA_STATE_TRANSITION_DELAY = 0.01


def mend_handshakes() -> None:
    """Gives handshakes the answers of `$connect`, in this process, for good."""
    apigateway: Any = import_module("ministack.services.apigateway")
    handle, invoke = apigateway.handle_websocket, apigateway._invoke_ws_lambda

    async def invoke_ws_lambda(*arguments: Any, **options: Any) -> Any:
        answered = await invoke(*arguments, **options)
        _answer.get().setdefault("connect", answered or {})  # the first answer on a socket is that of $connect
        return answered

    async def handle_websocket(scope: Any, receive: Any, send: Any, *arguments: Any, **options: Any) -> None:
        connect: dict[str, Any] = {}
        _answer.set(connect)
        accepted = False

        async def mended(message: dict[str, Any]) -> None:
            nonlocal accepted
            said = connect.get("connect", {})
            status = int(said.get("statusCode", 200))
            if message["type"] == "websocket.accept":
                accepted = True
                message = {**message, "subprotocol": _subprotocol(said)}
            elif message["type"] == "websocket.close" and not accepted and not 200 <= status < 300:
                await send({"type": "websocket.http.response.start", "status": status, "headers": []})
                message = {"type": "websocket.http.response.body", "body": b""}
            await send(message)

        await handle(scope, receive, mended, *arguments, **options)

    apigateway.handle_websocket, apigateway._invoke_ws_lambda = handle_websocket, invoke_ws_lambda


def mend_http() -> None:
    """Makes requests and answers of REST APIs as on AWS, in this process, for good."""
    apigateway: Any = import_module("ministack.services.apigateway_v1")
    execute = apigateway.handle_execute

    async def handle_execute(api: str, stage: str, method: str, path: str, *rest: Any) -> Any:
        below = path.removeprefix(f"/{stage}") if path.startswith(f"/{stage}/") else path
        status, headers, body = await execute(api, stage, method, below, *rest)
        renamed = {REMAPPED.get(name.lower(), name): value for name, value in headers.items()}
        return status, renamed, body

    apigateway.handle_execute = handle_execute


def _subprotocol(answer: Mapping[str, Any]) -> str | None:
    headers = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
    return headers.get("sec-websocket-protocol")


if __name__ == "__main__":
    import runpy

    hurry()
    if MENDED in sys.argv:
        mend_handshakes()
        mend_http()
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")
