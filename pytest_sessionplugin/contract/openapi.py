"""OpenAPI 3.0 and 3.1: the operation of a request, and whether the request and its answer are those of the contract."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_sessionplugin.contract.documents import METHODS, ContractNode, version_of
from pytest_sessionplugin.contract.schemas import DRAFT_2020_12, OPENAPI_30, Schemas, parsed
from pytest_sessionplugin.errors import ContractError
from pytest_sessionplugin.gateway.core.compression import read
from pytest_sessionplugin.gateway.core.gateway_responses import WITHOUT_BODY
from pytest_sessionplugin.gateway.redaction import redacted
from pytest_sessionplugin.gateway.values import Headers, Reply, Request, header

ANSWERED_BY = "x-answered-by"
"""In a response or message that is not the app's: whose it is, as `API Gateway`. No test need see it."""

Finding = tuple[str, str]
"""A sentence and the place in the contract."""


@dataclass(frozen=True)
class HttpOperation:
    """One method of one path. `parameters` are those of the path and its own."""

    name: str  # as `GET /rooms/{id}`
    node: ContractNode
    path: re.Pattern[str]
    variables: tuple[str, ...]
    parameters: tuple[ContractNode, ...]
    responses: Mapping[str, ContractNode]
    security: ContractNode | None

    def response(self, status: int) -> tuple[str, ContractNode] | None:
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in self.responses:
                return key, self.responses[key]
        return None


class OpenApi:
    """`root` is the whole file. Raises ContractError if it is not OpenAPI 3.0 or 3.1."""

    def __init__(self, root: ContractNode) -> None:
        version = version_of(root, "openapi")
        self._root = root
        self._schemas = Schemas(OPENAPI_30 if version.startswith("3.0.") else DRAFT_2020_12)
        self._prefixes = [path for path in map(_path_of_server, _list(root.get("servers"))) if path]
        operations = list(_operations(root))
        self.operations = sorted(operations, key=lambda each: len(each.variables))
        """Paths with fewer variables come first."""

    @property
    def name(self) -> str:
        return self._root.documents.name(self._root.uri)

    def expected(self) -> Iterator[tuple[str, str]]:
        """Parts to be seen in a run, as `GET /rooms/{id} 200`, with whoever answers it in place of the app."""
        for operation in self.operations:
            for status, response in operation.responses.items():
                yield f"{operation.name} {status}", response.text(ANSWERED_BY) or ""

    def find(self, method: str, path: str, stage: str) -> tuple[HttpOperation, Mapping[str, str]] | None:
        """The operation of a raw path, with or without the stage or a server's path in front, and its variables."""
        starts = [*self._prefixes, f"/{stage}"]
        if "/" in stage:  # an emulator's, whose answers lead to paths with the stage: the last part comes twice
            starts.append(f"/{stage}/{stage.rpartition('/')[2]}")
        candidates = [path, *(path[len(start) :] for start in starts if _below(path, start))]
        for candidate in candidates:
            for operation in self.operations:
                if (found := operation.path.fullmatch(candidate.rstrip("/") or "/")) is None:
                    continue
                if operation.name.startswith(f"{method} "):
                    return operation, dict(zip(operation.variables, map(unquote, found.groups()), strict=True))
        return None

    def has_path(self, path: str, stage: str) -> bool:
        return any(self.find(method.upper(), path, stage) is not None for method in METHODS)

    def check(self, request: Request, reply: Reply, stage: str, *, emulated: bool) -> tuple[list[Finding], str | None]:
        """The deviations of an answer, and of its request if it is a 2xx; without any, the part that it covers.

        API Gateway's own answers may have another form on AWS, where it can be changed by hand. With `emulated`, their
        status alone counts, unless a template gives them a form. A request without an operation may only be refused.
        """
        found = self.find(request.method, request.path, stage)
        asked = f"{request.method} {redacted(request.path)} answered {reply.status}"
        if found is None:
            preflight = request.method == "OPTIONS" and reply.status < 300 and self.has_path(request.path, stage)
            if 400 <= reply.status <= 499 or preflight:
                return [], None
            return [(f"{asked}, and there is no such operation", f"{self.name}#/paths")], None
        operation, variables = found
        known = operation.response(reply.status)
        if known is None:
            return [(f"{asked}, a status that the operation does not have", f"{operation.node.place}/responses")], None
        findings: list[Finding] = []
        is_own = is_gateways_own(reply)
        if emulated and not is_own and (by := known[1].text(ANSWERED_BY)) is not None:
            findings.append((f"{asked}, which {by} alone may answer", known[1].place))
        elif not (emulated and is_own and _has_usual_form(reply)):
            findings += [(f"{asked}, {what}", place) for what, place in self._wrong_answer(request, reply, known[1])]
        if 200 <= reply.status <= 299:
            findings += [
                (f"{asked} to a request that is off the contract: {what}", place)
                for what, place in self._wrong_request(request, operation, variables)
            ]
        return findings, None if findings else f"{operation.name} {known[0]}"

    # --- answers

    def _wrong_answer(self, request: Request, reply: Reply, response: ContractNode) -> Iterator[Finding]:
        for name, described in _items(response.get("headers")):
            values = [value for key, value in reply.headers if key.lower() == name.lower()]
            if name.lower() == "content-type":
                continue
            if not values and described.value.get("required") is True:
                yield f"without the required header {name}", described.place
            elif values and (schema := described.get("schema")) is not None:
                yield from self._wrong(f"header {name}", schema, typed([", ".join(values)], schema), of_request=False)
        if request.method != "HEAD" and reply.status not in WITHOUT_BODY:
            content = read(reply.headers, reply.body)
            yield from self._wrong_body(response, reply.headers, content, of_request=False)

    def _wrong_body(self, owner: ContractNode, headers: Headers, body: bytes, *, of_request: bool) -> Iterator[Finding]:
        content = owner.get("content")
        if content is None or not content.value:
            if body:
                yield "with a body, and there is none in the contract", owner.place
            return
        sent = (header(headers, "content-type") or "").partition(";")[0].strip().lower()
        media = next((content.get(each) for each in content.value if _is_media(sent, each)), None)
        if media is None:
            yield f"with the content type {sent or 'of nothing'}, not {' or '.join(content.value)}", content.place
            return
        schema = media.get("schema")
        if is_json(sent):
            try:
                value = parsed(body)
            except ValueError:
                yield "with a body that is not JSON", media.place
                return
        elif sent.startswith("text/"):
            value = body.decode(errors="replace")
        else:
            return  # a form or binary data, which a schema describes only in part
        if schema is not None:
            yield from self._wrong("body", schema, value, of_request=of_request)

    def _wrong(self, what: str, schema: ContractNode, value: Any, *, of_request: bool) -> Iterator[Finding]:
        if value is not UNREAD:
            for mismatch in self._schemas.mismatches(schema, value, of_request=of_request):
                where = f" at {mismatch.pointer}" if mismatch.pointer else ""
                yield f"{what}{where}: {mismatch.sentence}", mismatch.place

    # --- requests

    def _wrong_request(
        self, request: Request, operation: HttpOperation, variables: Mapping[str, str]
    ) -> Iterator[Finding]:
        query = parse_qsl(request.query, keep_blank_values=True)
        declared = set()
        for parameter in operation.parameters:
            place, name = parameter.text("in"), parameter.text("name") or ""
            values = _values(place, name, request.headers, query, variables)
            declared |= {name} if place == "query" else set()
            schema, required = parameter.get("schema"), parameter.value.get("required") is True
            if not values and required:
                yield f"without the required {place} parameter {name}", parameter.place
            elif values and schema is not None:
                sent = typed(values, schema, explode=parameter.value.get("explode", place == "query") is not False)
                yield from self._wrong(f"{place} parameter {name}", schema, sent, of_request=True)
                declared |= _properties(schema) if sent is UNREAD else set()
        declared |= set(self._keys_in_query())
        for name in dict.fromkeys(name for name, _ in query if name.partition("[")[0] not in declared):
            yield f"with the query parameter {redacted(name)}, which the operation does not have", operation.node.place
        if (body := operation.node.get("requestBody")) is not None:
            content = read(request.headers, request.body)
            if content or body.value.get("required") is True:
                yield from self._wrong_body(body, request.headers, content, of_request=True)
        elif request.body:
            yield "with a body, and there is none in the contract", operation.node.place
        if operation.security is not None and not self._is_secured(request, operation.security):
            yield "without the credential that it needs", operation.security.place

    def _scheme(self, name: str) -> Mapping[str, Any]:
        found = self._root.get("components", "securitySchemes", name)
        return found.value if found is not None and isinstance(found.value, dict) else {}

    def _keys_in_query(self) -> Iterator[str]:
        for _, scheme in _items(self._root.get("components", "securitySchemes")):
            if scheme.text("type") == "apiKey" and scheme.text("in") == "query":
                yield scheme.text("name") or ""

    def _is_secured(self, request: Request, security: ContractNode) -> bool:
        """Whether the request has the credentials of one of the alternatives. A test's `claims` are as good."""
        if request.claims is not None or not security.value:
            return True
        return any(all(_has(request, self._scheme(name)) for name in each) for each in security.value)


def is_gateways_own(reply: Reply) -> bool:
    """Whether API Gateway made an answer itself. All but two of them carry the type of the error."""
    if header(reply.headers, "x-amzn-errortype") is not None:
        return True
    if reply.status not in (413, 431) or header(reply.headers, "content-type") != "application/json":
        return False
    return reply.body.startswith(b'{"message": "Request ')


def _has_usual_form(reply: Reply) -> bool:
    return reply.body[:12].lower() == b'{"message": ' and header(reply.headers, "content-type") == "application/json"


# --- reading the file


def _operations(root: ContractNode) -> Iterator[HttpOperation]:
    paths = root.get("paths")
    if paths is None or not isinstance(paths.value, dict):
        raise ContractError(root.place, "it has no `paths`.")
    known: dict[tuple[str, str], str] = {}  # the path of an operation, by its method and pattern
    for template, path in paths.items():
        variables = tuple(re.findall(r"\{([^}]*)\}", template))
        parts = (part if number % 2 == 0 else None for number, part in enumerate(re.split(r"\{([^}]*)\}", template)))
        pattern = re.compile("".join("([^/]+)" if part is None else re.escape(part) for part in parts))
        for method in METHODS:
            if (operation := path.get(method)) is None:
                continue
            if (other := known.setdefault((method, pattern.pattern), template)) != template:
                raise ContractError(
                    operation.place, f"{other} is the same path, and has {method}, too: keep one of them."
                )
            own = _list(operation.get("parameters"))
            names = {(each.text("in"), each.text("name")) for each in own}
            of_path = [
                each for each in _list(path.get("parameters")) if (each.text("in"), each.text("name")) not in names
            ]
            responses = dict(_items(operation.get("responses")))
            if not responses:
                raise ContractError(operation.place, "it has no `responses`.")
            security = operation.get("security") or root.get("security")
            yield HttpOperation(
                f"{method.upper()} {template}",
                operation,
                pattern,
                variables,
                (*of_path, *own),
                {status: response for status, response in responses.items() if not status.startswith("x-")},
                security,
            )


def _items(node: ContractNode | None) -> list[tuple[str, ContractNode]]:
    return list(node.items()) if node is not None else []


def _list(node: ContractNode | None) -> list[ContractNode]:
    return [each for _, each in _items(node)]


def _path_of_server(server: ContractNode) -> str:
    url = server.text("url") or ""
    for name, variable in _items(server.get("variables")):
        url = url.replace(f"{{{name}}}", str(variable.value.get("default", "")))
    return urlsplit(url).path.rstrip("/")


def _below(path: str, start: str) -> bool:
    return path.startswith(f"{start}/") or path == start


def _is_media(sent: str, known: str) -> bool:
    known = known.partition(";")[0].strip().lower()
    return known in (sent, "*/*") or (known.endswith("/*") and sent.startswith(known[:-1]))


def is_json(media: str) -> bool:
    return media == "application/json" or media.endswith("+json")


# --- texts of a request as values


UNREAD: Any = object()
"""The value of a parameter that is an object, which OpenAPI can write in many ways."""


def typed(texts: Sequence[str], schema: ContractNode, *, explode: bool = False) -> Any:
    """The value that a parameter's texts stand for; one that they cannot stand for stays a text."""
    types = _types(schema)
    if "array" in types:
        items, parts = schema.get("items"), list(texts) if explode else texts[-1].split(",")
        return [typed([part], items) if items is not None else part for part in parts]
    if "object" in types:
        return UNREAD
    text = texts[-1]
    if "integer" in types and re.fullmatch(r"-?\d{1,30}", text):
        return int(text)
    if "number" in types and re.fullmatch(r"-?\d{1,30}(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", text):
        return float(text)
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    return text


def _types(schema: ContractNode | None, depth: int = 4) -> set[str]:
    if schema is None or not isinstance(schema.value, dict):
        return set()
    named = schema.value.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    for word in ("anyOf", "oneOf", "allOf") if depth else ():
        for each in _list(schema.get(word)):
            found |= _types(each, depth - 1)
    return found


def _properties(schema: ContractNode) -> set[str]:
    """The names that an object has as query parameters, if it is written in their usual style."""
    return {name for name, _ in _items(schema.get("properties"))}


def _values(
    place: str | None,
    name: str,
    headers: Headers,
    query: Sequence[tuple[str, str]],
    variables: Mapping[str, str],
) -> list[str]:
    if place == "path":
        return [variables[name]] if name in variables else []
    if place == "query":
        return [value for key, value in query if key == name]
    if place == "header":
        return [value for key, value in headers if key.lower() == name.lower()]
    pairs = (each.partition("=") for each in (header(headers, "cookie") or "").split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]


def _has(request: Request, scheme: Mapping[str, Any]) -> bool:
    kind, name = scheme.get("type"), str(scheme.get("name", ""))
    if kind == "apiKey":
        query = parse_qsl(request.query, keep_blank_values=True)
        return bool(_values(str(scheme.get("in")), name, request.headers, query, {}))
    if kind == "mutualTLS":
        return True
    sent = (header(request.headers, "authorization") or "").lower()
    wanted = str(scheme.get("scheme", "")).lower() if kind == "http" else ""
    return sent.startswith(f"{wanted} ") if wanted else bool(sent)
