"""Workarounds for the faults of MiniStack 1.5.33, all of them. Almost all are inside MiniStack, which this file starts.

Templates, functions and the calls of a deploy are those for AWS, unchanged.

Lambda:

- A function stays pending for half a second without reason: `hurry` ends that at once.
- Hosts such as `<api>.execute-api.<region>.amazonaws.com` lead to AWS or nowhere: `reach_connections` sends calls of
  @connections to MiniStack. No variable of botocore can do that, since Chalice and the service name their endpoint.
  `in_deploy` does the same for the process of a deploy, and for its visit of the stage.

- A function makes its log group if it is missing, whatever its role allows, so that one that runs while its stack is
  deleted leaves a group: `mend_logs` makes none. Only where the caller asks for `MENDED`.

REST APIs, in `complete_rest_apis`:

- An imported document loses its mock answers, gateway responses and binary types.
- An API whose document changes gets a new id; AWS keeps it.
- ImportRestApi makes an empty API, and removing `minimumCompressionSize` turns it into a text, which botocore cannot
  read. `chalice deploy` asks for both.

CloudFormation, in `complete_stacks`:

- Deployments of WebSocket APIs are a missing type, saved queries a missing service: a query is accepted, and not kept.
- A change set calls each change of an API, a dashboard or a rule a conditional replacement.

Calls of an API, where the caller asks for `MENDED`:

- Every refusal of `$connect` is a 403: `mend_handshakes` gives it the function's status.
- `Sec-WebSocket-Protocol` of a function's answer is dropped: `mend_handshakes` passes it to the client.
- `WWW-Authenticate` keeps its name, which API Gateway remaps: `mend_http` renames it.
- The path of an API has a prefix before its stage, so a Location, which begins with the stage, would have the stage
  twice: `mend_http` removes the repetition.

docs/operations.md lists what remains unlike AWS.
Another interpreter runs this file, so it imports only the standard library until it is called.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

UNLIKE_AWS = {
    "test_a_problem_carries_the_id_under_which_api_gateway_knows_the_request": "the answer has another id",
}
"""Names of service tests that fail on MiniStack, and why; not worked around."""
STALE = {"resourcegroupstaggingapi:GetResources", "resourcegroupstaggingapi:GetTagKeys"}
"""Questions about tags whose answers still include the tables of deleted stacks."""
REMAPPED = {"www-authenticate": "x-amzn-Remapped-WWW-Authenticate"}
MENDED = "mended"
BEFORE_NEXT_LOOK = {"Delay": 0.05, "MaxAttempts": 400}  # seconds
OF_AN_INTEGRATION = ("requestTemplates", "requestParameters", "contentHandling", "timeoutInMillis", "credentials")
"""Fields of a document's integration that an import loses."""
REPLACING = {
    "AWS::ApiGateway::RestApi": (),
    "AWS::ApiGateway::Stage": ("RestApiId", "StageName"),
    "AWS::ApiGatewayV2::Api": ("ProtocolType",),
    "AWS::ApiGatewayV2::Stage": ("ApiId", "StageName"),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::Events::Rule": ("EventBusName", "Name"),
}
"""Properties whose change replaces the resource, by its type, as its page says:

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""


# --- around a deploy


def in_deploy() -> None:
    """Sends calls of @connections, and the visit of a deployed stage, to MiniStack, in this process, for good."""
    from deployment import visit

    visit_urls = visit.visit
    visit.visit = lambda *urls: visit_urls(*map(reachable, urls))
    _reach_connections()


def reachable(url: str) -> str:
    """The URL at which MiniStack serves a stage that AWS would serve at `url`."""
    place = urlsplit(url)
    api = (place.hostname or "").partition(".")[0]
    return f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}{place.path}"


# --- Lambda


def hurry() -> None:
    """Makes functions active at once."""
    functions: Any = import_module("ministack.services.lambda_svc")
    functions._LAMBDA_STATE_TRANSITION_DELAY = 0


def reach_connections() -> None:
    """Makes each function call `_reach_connections` before it starts."""
    runtime: Any = import_module("ministack.core.lambda_runtime")
    source = inspect.getsource(_reach_connections)
    runtime._PYTHON_WORKER_SCRIPT = f"{source}\n_reach_connections()\n{runtime._PYTHON_WORKER_SCRIPT}"


def _reach_connections() -> None:
    """Sends calls of @connections to MiniStack. Runs in a function's process, where only its source arrives."""
    import os
    from urllib.parse import urlsplit

    from botocore.session import Session

    create = Session.create_client

    def create_client(self, service_name, *arguments, **options):  # type: ignore[no-untyped-def]
        url = urlsplit(options.get("endpoint_url") or "")
        api, dot, _ = (url.hostname or "").partition(".execute-api.")
        if service_name == "apigatewaymanagementapi" and dot:
            options["endpoint_url"] = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}{url.path}"
        return create(self, service_name, *arguments, **options)

    Session.create_client = create_client  # type: ignore[method-assign]


def mend_logs() -> None:
    """Drops what functions log while they have no log group, in this process, for good."""
    functions: Any = import_module("ministack.services.lambda_svc")
    logs: Any = import_module("ministack.services.cloudwatch_logs")
    emit = functions._emit_lambda_logs

    def emit_lambda_logs(function: Mapping[str, Any], *arguments: Any, **options: Any) -> None:
        if f"/aws/lambda/{function['config']['FunctionName']}" in logs._log_groups:
            emit(function, *arguments, **options)

    functions._emit_lambda_logs = emit_lambda_logs


# --- REST APIs


def complete_rest_apis() -> None:
    """Imports a document of a REST API completely, and into the API that has it already, in this process, for good."""
    service: Any = import_module("ministack.services.apigateway_v1")
    resources: Any = import_module("ministack.services.cloudformation.provisioners")
    handle, import_api, import_operation = service.handle_request, service._import_rest_api, service._import_operation
    update_api, create, update = (
        service._update_rest_api,
        resources._apigw_rest_api_create,
        resources._apigw_rest_api_update,
    )

    async def handle_request(method: str, path: str, headers: Any, body: Any, query: Mapping[str, Any]) -> Any:
        if path == "/restapis" and query.get("mode") in ("import", ["import"]):
            return service._get_rest_api(import_rest_api(json.loads(body)))
        return await handle(method, path, headers, body, query)

    def import_rest_api(document: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> str:
        api: str = import_api(document, given)
        binary = document.get("x-amazon-apigateway-binary-media-types")
        if binary:
            service._rest_apis[api]["binaryMediaTypes"] = binary
        for kind, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
            service._put_gateway_response(api, kind, response)
        return api

    def import_method(api: str, resource: str, method: str, operation: Mapping[str, Any], *rest: Any) -> None:
        import_operation(api, resource, method, operation, *rest)
        for status, response in operation.get("responses", {}).items():
            headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
            service._put_method_response(api, resource, method, status, {"responseParameters": headers})
        given = operation["x-amazon-apigateway-integration"]
        made = service._resources[api][resource]["resourceMethods"][method]["methodIntegration"]
        made.update({name: given[name] for name in OF_AN_INTEGRATION if name in given})
        for pattern, response in given.get("responses", {}).items():
            answer = {**response, "selectionPattern": "" if pattern == "default" else pattern}
            service._put_integration_response(api, resource, method, response["statusCode"], answer)

    def update_rest_api(api: str, data: Mapping[str, Any]) -> Any:
        patches = data.get("patchOperations", [])
        told = [one for one in patches if (one["path"], one.get("value")) != ("/minimumCompressionSize", "")]
        return update_api(api, {"patchOperations": told})

    def update_resource(api: str, before: Mapping[str, Any], after: Mapping[str, Any], *rest: Any) -> Any:
        if before.get("Body") == after.get("Body"):
            return update(api, before, after, *rest)
        other, _ = create(None, after, None)
        for store in (service._resources, service._authorizers_v1, service._models, service._gateway_responses):
            store[api] = store.pop(other)
        service._rest_apis[api].update({**service._rest_apis[other], "id": api})
        service._delete_rest_api(other)
        return api, resources._apigw_rest_api_attrs(api)

    service.handle_request, service._update_rest_api = handle_request, update_rest_api
    service._import_rest_api, service._import_operation = import_rest_api, import_method
    resources._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]["update"] = update_resource


# --- CloudFormation


def complete_stacks() -> None:
    """Adds types of resources, and what replaces an API, in this process, for good."""
    resources: Any = import_module("ministack.services.cloudformation.provisioners")
    apis: Any = import_module("ministack.services.apigateway")

    def deploy(name: str, given: Mapping[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        _, _, body = apis._create_deployment(given["ApiId"], {"description": given.get("Description", "")})
        made: str = json.loads(body)["deploymentId"]
        return made, {"DeploymentId": made}

    def forget(made: str, given: Mapping[str, Any]) -> None:
        apis._delete_deployment(given["ApiId"], made)

    resources._REPLACING_PROPERTIES.update(REPLACING)
    resources._RESOURCE_HANDLERS.update(
        {
            "AWS::ApiGatewayV2::Deployment": {"create": deploy, "delete": forget},
            "AWS::Logs::QueryDefinition": {
                "create": lambda name, given, stack: (f"{stack}-{name}", {}),
                "delete": lambda made, given: None,
            },
        }
    )


# --- calls of an API

_answer: ContextVar[dict[str, Any]] = ContextVar("what $connect answered on this socket")


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

    for work_around in (hurry, reach_connections, complete_rest_apis, complete_stacks):
        work_around()
    if MENDED in sys.argv:
        mend_logs()
        mend_handshakes()
        mend_http()
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")
