"""Comparison of a contract with the skeleton of its app: what the file lacks, and what it has that the app lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_sessionplugin.contract.documents import METHODS, RECEIVE, SEND, ContractNode, escaped, version_of
from pytest_sessionplugin.contract.edits import APPEND, Addition

USUAL_CONTENT = "application/json"
"""The content type of a route that names none. Many such routes take no body, so that a file need not have it."""

AUTHTYPE, SIGNED = "x-amazon-apigateway-authtype", "awsSigv4"
"""Marks a security scheme whose header has a signature, and no token."""


@dataclass
class Merge:
    """The result of a comparison. Each text is one line for people."""

    additions: list[Addition] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)  # what cannot be added
    gone: list[str] = field(default_factory=list)  # in the file, not in the app


def openapi(root: ContractNode, skeleton: Mapping[str, Any]) -> Merge:
    """`root` is the whole file. Raises ContractError if it is not OpenAPI 3.0 or 3.1."""
    version_of(root, "openapi")
    return _OpenApiMerge(root, skeleton).merge()


def asyncapi(root: ContractNode, skeleton: Mapping[str, Any]) -> Merge:
    """`root` is the whole file. Raises ContractError if it is not AsyncAPI 3.0."""
    version_of(root, "asyncapi")
    return _AsyncApiMerge(root, skeleton).merge()


class _Merging:
    def __init__(self, root: ContractNode, skeleton: Mapping[str, Any]) -> None:
        self._root, self._skeleton = root, skeleton
        self._merge = Merge()

    def _add(self, said: str, at: ContractNode, *path: str, value: Any) -> None:
        """Adds a value below a place of the file, with all that is missing on the way to it."""
        keys = list(path)
        while len(keys) > 1 and (child := at.get(keys[0])) is not None:
            at, keys = child, keys[1:]
        if at.uri != self._root.uri:
            self._merge.by_hand.append(f"{said}, which belongs into {at.place}")
            return
        self._merge.added.append(said)
        for key in reversed(keys[1:]):
            value = [value] if key == APPEND else {key: value}
        where, additions = (*at.path, keys[0]), self._merge.additions
        for number, addition in enumerate(additions if len(keys) > 1 else ()):
            if addition.path == where:
                additions[number] = Addition(where, _joined(addition.value, value))
                return
        additions.append(Addition(where, value))

    def _describe(self, name: str, at: ContractNode, texts: Mapping[str, Any], *keys: str) -> None:
        """Adds a docstring, as the first of `keys` that it has, to what nobody has described."""
        if not any(at.text(key) for key in ("title", "summary", "description")):
            found = {key: texts[key] for key in keys if key in texts}
            for number, (key, text) in enumerate(found.items()):
                said = f"{name}: the docstring" if number == 0 else f"{name}: the rest of the docstring"
                self._add(said, at, key, value=text)


def _joined(one: Any, other: Any) -> Any:
    """Two values in one: the keys of both objects, the items of both lists."""
    if isinstance(one, list):
        return [*one, *other]
    return {**one, **{key: _joined(one[key], each) if key in one else each for key, each in other.items()}}


# --- OpenAPI


class _OpenApiMerge(_Merging):
    def __init__(self, root: ContractNode, skeleton: Mapping[str, Any]) -> None:
        super().__init__(root, skeleton)
        paths = root.get("paths")
        self._paths = dict(paths.items()) if paths is not None else {}
        self._shapes = {_shape(template): template for template in self._paths}
        self._schemes = dict(_items(root.get("components", "securitySchemes")))
        self._new_schemes: set[str] = set()
        self._ids = {operation.text("operationId") for path in self._paths.values() for _, operation in _methods(path)}

    def merge(self) -> Merge:
        known = {_shape(template): item for template, item in self._skeleton["paths"].items()}
        for template, item in self._skeleton["paths"].items():
            theirs = self._shapes.get(_shape(template))
            if theirs is None:
                self._add_path(template, item)
            else:
                self._extend(theirs, self._paths[theirs], item)
        for template, path in self._paths.items():
            item = known.get(_shape(template), {})
            for method, _ in _methods(path):
                if method not in item and not (method == "options" and _has_cors(item)):
                    self._merge.gone.append(f"{method.upper()} {template}")
        return self._merge

    def _add_path(self, template: str, item: Mapping[str, Any]) -> None:
        made = {key: self._fitted(key, value) if key in METHODS else value for key, value in item.items()}
        said = ", ".join(f"{key.upper()} {template}" for key in made if key in METHODS)
        self._add(said, self._root, "paths", template, value=made)

    def _extend(self, template: str, path: ContractNode, item: Mapping[str, Any]) -> None:
        operations = dict(_methods(path))
        names = re.findall(r"\{([^}]*)\}", template)
        for name in names:
            bare = not operations or any(not _has_parameter(each, name) for each in operations.values())
            if bare and not _has_parameter(path, name):
                parameter = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                self._add(f"{template}: the path parameter {name}", path, "parameters", APPEND, value=parameter)
        for method in (key for key in item if key in METHODS):
            name = f"{method.upper()} {template}"
            if method in operations:
                self._compare(name, operations[method], item[method])
            else:
                self._add(name, path, method, value=self._fitted(method, item[method]))

    def _compare(self, name: str, theirs: ContractNode, ours: Mapping[str, Any]) -> None:
        self._describe(name, theirs, ours, "summary", "description")
        body = theirs.get("requestBody")
        content = dict(_items(body.get("content"))) if body is not None else {}
        wanted = ours.get("requestBody", {}).get("content", {}) if body is not None else {}
        for kind in wanted if USUAL_CONTENT not in wanted else ():
            if not {kind, "*/*", f"{kind.partition('/')[0]}/*"} & content.keys() and kind != "*/*":
                self._add(f"{name}: the content type {kind}", theirs, "requestBody", "content", kind, value={})
        if ours.get("security"):
            self._secure(name, theirs, ours["security"][0])

    # --- security

    def _secure(self, name: str, operation: ContractNode, needed: Mapping[str, list[str]]) -> None:
        own = operation.get("security")
        security = own or self._root.get("security")
        if security is None:
            self._add(_secured(name, needed), operation, "security", value=[self._named(needed)])
            return
        alternatives = [each.value if isinstance(each.value, dict) else {} for _, each in security.items()]
        if not all(alternatives) or not alternatives:
            names = " and ".join(needed)
            self._merge.by_hand.append(f"{name} needs {names} in the app, and its `security` in the file lets all pass")
            return
        missing = [
            {scheme: scopes for scheme, scopes in needed.items() if not self._is_among(each, scheme)}
            for each in alternatives
        ]
        if not any(missing):
            return
        if own is None:  # that of all operations stays as it is
            made = [{**each, **self._named(lacks)} for each, lacks in zip(alternatives, missing, strict=True)]
            self._add(_secured(name, _merged(missing)), operation, "security", value=made)
            return
        for number, lacks in enumerate(missing):
            for scheme, scopes in self._named(lacks).items():
                self._add(_secured(name, [scheme]), operation, "security", str(number), scheme, value=scopes)

    @property
    def _ours(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._skeleton["components"]["securitySchemes"]
        return found

    def _is_among(self, names: Iterable[str], scheme: str) -> bool:
        return any(name in self._schemes and _is_same(self._schemes[name].value, self._ours[scheme]) for name in names)

    def _named(self, needed: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The same with the file's names of the schemes. Adds a scheme that it lacks."""
        return {self._scheme(name): self._scopes(scopes) for name, scopes in needed.items()}

    def _scopes(self, scopes: list[str]) -> list[str]:
        return [] if (self._root.text("openapi") or "").startswith("3.0.") else scopes

    def _scheme(self, name: str) -> str:
        """The file's own scheme of this name, else one for the same header, else the app's, which is added."""
        same = [each for each, scheme in self._schemes.items() if _is_same(scheme.value, self._ours[name])]
        found = name if name in same else next((each for each in same if each not in self._ours), None)
        if found is not None:
            return found
        chosen = name if name not in self._schemes else f"{name}-{self._ours[name]['name'].lower()}"
        if chosen not in self._new_schemes:
            self._new_schemes.add(chosen)
            said = f"the security scheme {chosen}"
            self._add(said, self._root, "components", "securitySchemes", chosen, value=self._ours[name])
        return chosen

    def _fitted(self, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
        """A new operation in the words of the file."""
        made = dict(operation)
        if "operationId" in made and made["operationId"] in self._ids:
            made["operationId"] = f"{made['operationId']}_{method}"
            if made["operationId"] in self._ids:
                del made["operationId"]
        if made.get("security"):
            made["security"] = [self._named(made["security"][0])]
        return made


def _shape(template: str) -> str:
    """A path without the names of its parameters, which do not tell it from another."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def _methods(path: ContractNode) -> Iterator[tuple[str, ContractNode]]:
    return ((key, each) for key, each in path.items() if key in METHODS)


def _has_parameter(owner: ContractNode, name: str) -> bool:
    found = (each for _, each in _items(owner.get("parameters")))
    return any(each.text("in") == "path" and each.text("name") == name for each in found)


def _has_cors(item: Mapping[str, Any]) -> bool:
    return any("headers" in each["responses"]["2XX"] for key, each in item.items() if key in METHODS)


def _is_same(theirs: Any, ours: Mapping[str, Any]) -> bool:
    """Whether a security scheme of the file stands for one of the app: it is in the same header, signed or not."""
    if _carrier(theirs) != _carrier(ours):
        return False
    kinds = (theirs.get(AUTHTYPE), ours[AUTHTYPE]) if AUTHTYPE in ours else (None, None)
    if SIGNED in kinds:
        return kinds in ((SIGNED, SIGNED), (None, SIGNED)) and theirs["type"] == "apiKey"
    return True


def _carrier(scheme: Any) -> str:
    """The header of a security scheme, in lower case. For another place of the credential, a text with a space."""
    kind = scheme.get("type") if isinstance(scheme, dict) else "unknown"
    if kind == "apiKey":
        place, name = scheme.get("in"), str(scheme.get("name")).lower()
        return name if place == "header" else f"{place} {name}"
    return "authorization" if kind in ("http", "oauth2", "openIdConnect") else f"not in {kind}"


def _secured(name: str, schemes: Iterable[str]) -> str:
    return f"{name}: security by {' and '.join(schemes)}"


def _merged(parts: Sequence[Mapping[str, list[str]]]) -> dict[str, list[str]]:
    return {name: scopes for part in parts for name, scopes in part.items()}


# --- AsyncAPI


class _AsyncApiMerge(_Merging):
    def merge(self) -> Merge:
        ours, operations = self._skeleton["operations"], dict(_items(self._root.get("operations")))
        takes = [each for each in operations.values() if each.text("action") == RECEIVE]
        sends = [each for each in operations.values() if each.text("action") == SEND or each.get("reply") is not None]
        channels = _items(self._root.get("channels"))
        if channels:
            channel = channels[0][1]
            self._describe("the channel", channel, self._skeleton["channels"]["websocket"], "description")
            reference = self._reference(channel)
        else:
            channel, reference = None, "#/channels/websocket"
        if not channels and ours:
            said = "the channel websocket"
            self._add(said, self._root, "channels", "websocket", value=self._skeleton["channels"]["websocket"])
        for action, there in ((RECEIVE, takes), (SEND, sends)):
            if action in ours and not there:
                self._add_operation(action, ours[action], channel, reference)
        if RECEIVE in ours and len(takes) == 1:
            self._describe("the operation to receive", takes[0], ours[RECEIVE], "summary", "description")
        if RECEIVE not in ours:
            self._merge.gone.extend(f"operation {key}" for key, each in operations.items() if each in takes)
        return self._merge

    def _reference(self, channel: ContractNode) -> str | None:
        """The reference to a channel; None if another file has it."""
        return f"#{channel.pointer}" if channel.uri == self._root.uri else None

    def _add_operation(
        self, action: str, ours: Mapping[str, Any], channel: ContractNode | None, reference: str | None
    ) -> None:
        """Adds an operation for all messages of a channel that has some, else for new ones."""
        if reference is None:
            self._merge.by_hand.append(f"an operation to {action}, whose channel is in another file")
            return
        made = {**ours, "channel": {"$ref": reference}}
        if channel is not None and _items(channel.get("messages")):
            del made["messages"]
        elif channel is not None:
            for each in ours["messages"]:
                name = str(each["$ref"]).rpartition("/")[2]
                message = self._skeleton["channels"]["websocket"]["messages"][name]
                self._add(f"the message {name}", channel, "messages", name, value=message)
            names = (str(each["$ref"]).rpartition("/")[2] for each in ours["messages"])
            made["messages"] = [{"$ref": f"{reference}/messages/{escaped(name)}"} for name in names]
        self._add(f"an operation to {action}", self._root, "operations", action, value=made)


def _items(node: ContractNode | None) -> list[tuple[str, ContractNode]]:
    return list(node.items()) if node is not None else []
