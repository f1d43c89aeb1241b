"""Values that AWS gives at a deployment, for variables that name them, as {websocket:domain} or {queue:orders}.

They are what the app's gateway, its Lambda service and the emulator answer to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.resources import Resource, Resources, Service
from pytest_sessionplugin.aws.table_specs import STREAM_LABEL
from pytest_sessionplugin.errors import ProjectError, UnknownName, UnknownTable
from pytest_sessionplugin.gateway.values import REST_FUNCTION

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.templates import TableSpec
    from pytest_sessionplugin.gateway.client.transport import Urls
    from pytest_sessionplugin.gateway.values import Api
    from pytest_sessionplugin.tokens.tokens import Tokens

SERVICES = {"queue": Service.SQS, "topic": Service.SNS, "bucket": Service.S3}


def name_in_lambda(stack: str, function: str) -> str:
    """A function's name in Lambda (deploy/appgraph.py of Chalice). `stack` is that of app and stage, as chat-dev."""
    return stack if function == REST_FUNCTION else f"{stack}-{function}"


def name_in_template(function: str) -> str:
    """A function's logical name in the template of `chalice package` (package.py of Chalice)."""
    from chalice.utils import to_cfn_resource_name

    return "APIHandler" if function == REST_FUNCTION else to_cfn_resource_name(function)


def refs(api: Api, specs: Mapping[str, TableSpec]) -> dict[str, str]:
    """Values of Ref in a template: of its tables, and of the APIs by their names in Chalice's own template."""
    apis = {"RestAPI": api.rest_api_id, "WebsocketAPI": api.websocket_api_id}
    return {**apis, **{name: str(spec["TableName"]) for name, spec in specs.items()}}


class Placeholders:
    """The placeholders of one project, deployed as `stack`. `urls` are those of its gateway if its ports are known."""

    def __init__(
        self,
        stack: str,
        api: Api,
        specs: Mapping[str, TableSpec],
        tokens: Tokens,
        resources: Resources,
        urls: Urls | None = None,
        without_tables: str = "",
    ) -> None:
        """`without_tables` says how to describe tables, for a project without any."""
        self._without_tables = without_tables
        self._stack, self._api, self._specs = stack, api, specs
        self._tokens, self._resources = tokens, resources
        self._rest = {
            "domain": api.host(api.rest_api_id),
            "id": api.rest_api_id,
            "url": f"{urls.http if urls else f'https://{api.host(api.rest_api_id)}'}/{api.stage}",
        }
        self._websocket = {
            "domain": api.host(api.websocket_api_id),
            "id": api.websocket_api_id,
            "url": f"{urls.websocket if urls else f'wss://{api.host(api.websocket_api_id)}'}/{api.stage}",
        }

    def expand(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables with values in place of placeholders. Raises SessionPluginError for an unknown name."""
        return environment.expand(variables, self._lookup)

    def _lookup(self, kind: str, name: str) -> str:
        """Raises KeyError with a sentence."""
        match kind:
            case "token":
                return self._tokens.lookup(name)
            case "table":
                if name not in self._specs:
                    raise KeyError(str(UnknownTable(name, tuple(self._specs), self._without_tables)))
                return str(self._specs[name]["TableName"])
            case "stream":
                streamed = {each: spec for each, spec in self._specs.items() if "StreamSpecification" in spec}
                table = _known("table with a stream named", name, streamed)["TableName"]
                return f"{self._arn('dynamodb')}:table/{table}/stream/{STREAM_LABEL}"
            case "websocket":
                return str(_known("{websocket:…} named", name, self._websocket))
            case "rest":
                return str(_known("{rest:…} named", name, self._rest))
            case "function":
                return name_in_lambda(self._stack, name)
            case "queue":
                return self._resource(Service.SQS, name).queue_url(self._api.region, self._api.account_id)
            case "topic":
                return self._resource(Service.SNS, name).arn(self._api.region, self._api.account_id)
            case _:
                return self._resource(Service.S3, name).name

    def _resource(self, service: Service, name: str) -> Resource:
        """One of the template by its logical name, else one of this name."""
        found = self._resources.made.get(name)
        return found if found is not None and found.service is service else Resource(service, name)

    def _arn(self, service: str) -> str:
        return f"arn:{self._api.partition}:{service}:{self._api.region}:{self._api.account_id}"


def _known(kind: str, name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise KeyError(str(UnknownName(kind, name, values)))
    return values[name]


def check(
    root: Path,
    variables: Mapping[str, str],
    functions: Collection[str],
    in_template: Mapping[str, Resource],
    there: Callable[[Service], Collection[str]],
) -> None:
    """Raises ProjectError for a variable with a function, queue, topic or bucket that does not exist.

    `there` gives the names of those in AWS. The app may make or name some, so call it after the import.
    """
    for variable, word, name in environment.placeholders(variables):
        advice = ""
        if word in SERVICES:
            logical = [each for each, found in in_template.items() if found.service is SERVICES[word]]
            known = [*logical, *there(SERVICES[word])]
            advice = " The template, the app's decorators or its seed name them."
        elif word == "function":
            known = list(functions)
        else:
            continue
        if name not in known:
            raise ProjectError(root, f"{variable} = {variables[variable]!r}: {UnknownName(word, name, known)}{advice}")
