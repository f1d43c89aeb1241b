"""Creates a REST API call by call from a document that Chalice writes.

API Gateway would import the document; MiniStack makes an empty API of it.
"""

from __future__ import annotations

from typing import Any

ANY = "x-amazon-apigateway-any-method"
METHODS = {"get", "post", "put", "delete", "patch", "head", "options", ANY}
INTEGRATION = ("uri", "credentials", "requestTemplates", "requestParameters", "contentHandling", "timeoutInMillis")
AUTHORIZER = ("authorizerUri", "authorizerCredentials", "authorizerResultTtlInSeconds", "providerARNs")


def create(client: Any, document: dict[str, Any], endpoint_type: str) -> str:
    """Creates the API and returns its id; `client` is botocore's for `apigateway`."""
    api: str = client.create_rest_api(
        name=document["info"]["title"],
        version=document["info"]["version"],
        binaryMediaTypes=document.get("x-amazon-apigateway-binary-media-types", []),
        endpointConfiguration={"types": [endpoint_type]},
    )["id"]
    fill(client, api, document)
    return api


def overwrite(client: Any, api: str, document: dict[str, Any]) -> None:
    """Does what PutRestApi does in that mode: replaces the whole API, including its gateway responses."""
    clear(client, api)
    fill(client, api, document)


def clear(client: Any, api: str) -> None:
    """Deletes everything in the API except its root, as an overwriting import does."""
    resources = client.get_resources(restApiId=api, limit=500)["items"]
    for resource in sorted(resources, key=lambda one: len(one["path"]), reverse=True):  # children come first
        if resource["path"] != "/":
            client.delete_resource(restApiId=api, resourceId=resource["id"])
            continue
        for method in resource.get("resourceMethods", {}):
            client.delete_method(restApiId=api, resourceId=resource["id"], httpMethod=method)
    for authorizer in client.get_authorizers(restApiId=api, limit=500)["items"]:
        client.delete_authorizer(restApiId=api, authorizerId=authorizer["id"])
    clear_responses(client, api)


def clear_responses(client: Any, api: str) -> None:
    """Deletes the API's gateway responses, which Chalice's documents never define."""
    for response in client.get_gateway_responses(restApiId=api, limit=500)["items"]:
        if not response.get("defaultResponse"):
            client.delete_gateway_response(restApiId=api, responseType=response["responseType"])


def fill(client: Any, api: str, document: dict[str, Any]) -> None:
    """Creates everything in the document, in an API that has only its root."""
    securities = {
        name: _security(client, api, name, definition)
        for name, definition in document.get("securityDefinitions", {}).items()
    }
    resources = {"/": client.get_resources(restApiId=api)["items"][0]["id"]}
    for path, operations in document["paths"].items():
        resource = _resource(client, api, resources, path)
        for method, operation in operations.items():
            if method in METHODS:
                verb = "ANY" if method == ANY else method.upper()
                at = {"restApiId": api, "resourceId": resource, "httpMethod": verb}
                _method(client, at, operation, securities)
                _integration(client, at, operation["x-amazon-apigateway-integration"])


def _resource(client: Any, api: str, resources: dict[str, str], path: str) -> str:
    if path not in resources:
        parent, _, part = path.rpartition("/")
        above = _resource(client, api, resources, parent or "/")
        resources[path] = client.create_resource(restApiId=api, parentId=above, pathPart=part)["id"]
    return resources[path]


def _security(client: Any, api: str, name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a method with this definition."""
    if definition.get("x-amazon-apigateway-authtype", "").lower() == "awssigv4":
        return {"authorizationType": "AWS_IAM"}
    authorizer = definition.get("x-amazon-apigateway-authorizer")
    if authorizer is None:
        return {"apiKeyRequired": True}
    kind = authorizer["type"].upper()
    made = client.create_authorizer(
        restApiId=api,
        name=name,
        type=kind,
        identitySource=authorizer.get("identitySource", f"method.request.header.{definition['name']}"),
        **{key: authorizer[key] for key in AUTHORIZER if key in authorizer},
    )
    return {
        "authorizationType": "COGNITO_USER_POOLS" if kind == "COGNITO_USER_POOLS" else "CUSTOM",
        "authorizerId": made["id"],
    }


def _method(client: Any, at: dict[str, str], operation: dict[str, Any], securities: dict[str, Any]) -> None:
    method: dict[str, Any] = {"authorizationType": "NONE"}
    for requirement in operation.get("security", []):
        for name, scopes in requirement.items():
            method.update(securities[name])
            if scopes:
                method["authorizationScopes"] = scopes
    paths = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"]
    client.put_method(**at, **method, requestParameters={f"method.request.path.{name}": True for name in paths})
    for status, response in operation.get("responses", {}).items():
        headers = {f"method.response.header.{name}": False for name in response.get("headers", {})}
        client.put_method_response(**at, statusCode=status, responseParameters=headers)


def _integration(client: Any, at: dict[str, str], integration: dict[str, Any]) -> None:
    given = {key: integration[key] for key in INTEGRATION if key in integration}
    if "httpMethod" in integration:
        given["integrationHttpMethod"] = integration["httpMethod"]
    if "passthroughBehavior" in integration:
        given["passthroughBehavior"] = integration["passthroughBehavior"].upper()
    client.put_integration(**at, type=integration["type"].upper(), **given)
    for pattern, response in integration.get("responses", {}).items():
        answer = {key: response[key] for key in ("responseParameters", "responseTemplates") if key in response}
        if pattern != "default":
            answer["selectionPattern"] = pattern
        client.put_integration_response(**at, statusCode=response["statusCode"], **answer)
