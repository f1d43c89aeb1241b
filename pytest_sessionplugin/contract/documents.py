"""The files of a contract, JSON or YAML, and the references between them. None is fetched from the network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from pytest_sessionplugin.errors import ContractError
from pytest_sessionplugin.notation import json_value, strict_loader, yaml_value

DEEPEST = 32  # references in a row

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The operations of a path in OpenAPI."""
VERSIONS = {"openapi": (("3.0.", "3.1."), "3.0 or 3.1"), "asyncapi": (("3.",), "3.0 or newer")}
"""The versions that are read: how they start, and how messages name them."""
RECEIVE, SEND = "receive", "send"
"""Actions of an operation in AsyncAPI. The app is the one that receives and sends."""


class Documents:
    """The files of one contract, each read once. `root` is the folder from which messages name them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._contents: dict[str, Any] = {}  # by URI

    def open(self, path: Path) -> ContractNode:
        """The whole of a file."""
        uri = path.resolve().as_uri()
        return ContractNode(self, uri, (), self.content(uri))

    def content(self, uri: str) -> Any:
        """The content of the file at a URI without a fragment. Raises ContractError."""
        if uri not in self._contents:
            path = self._path(uri)
            self._contents[uri] = content_of(path, text_of(path))
        return self._contents[uri]

    def reached(self, uri: str) -> list[str]:
        """The URIs of a file and of those that its references lead to, as far as they can be read."""
        found, todo = [uri], [uri]
        while todo:
            here = todo.pop()
            for reference in _references(self.content(here)):
                there = urljoin(here, reference).partition("#")[0]
                if there not in found and self._is_readable(there):
                    found.append(there)
                    todo.append(there)
        return found

    def _is_readable(self, uri: str) -> bool:
        try:
            self.content(uri)
        except ContractError:  # it is raised where the reference is followed
            return False
        return True

    def name(self, uri: str) -> str:
        """The path of a file as messages show it."""
        path = self._path(uri)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    def _path(self, uri: str) -> Path:
        url = urlsplit(uri)
        if url.scheme != "file":
            raise ContractError(uri, "it is not a file, and contracts are not fetched from the network.")
        return Path(url2pathname(url.path))


@dataclass(frozen=True)
class ContractNode:
    """A value in a contract and where it stands. `value` is that of the target if it is a reference."""

    documents: Documents = field(repr=False, compare=False)
    uri: str  # of the file
    path: tuple[str, ...]  # keys and indices that lead to it
    value: Any = field(repr=False, compare=False)

    @property
    def pointer(self) -> str:
        """RFC 6901."""
        return "".join(f"/{escaped(key)}" for key in self.path)

    @property
    def place(self) -> str:
        """As `contracts/openapi.yaml#/paths/~1rooms/get`."""
        return f"{self.documents.name(self.uri)}#{self.pointer}"

    def child(self, key: str) -> ContractNode | None:
        """The value under a key, or at an index; None if there is none. References are not followed."""
        value = self.value
        if isinstance(value, dict) and key in value:
            return ContractNode(self.documents, self.uri, (*self.path, key), value[key])
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            return ContractNode(self.documents, self.uri, (*self.path, key), value[int(key)])
        return None

    def get(self, *keys: str) -> ContractNode | None:
        """The value under the keys, one after another, each reference followed; None if one is missing."""
        node: ContractNode | None = self
        for key in keys:
            node = node.child(key) if node is not None else None
            node = node.followed() if node is not None else None
        return node

    def items(self) -> Iterator[tuple[str, ContractNode]]:
        """The values of an object with their keys, or those of a list with their indices. References are followed."""
        keys = self.value if isinstance(self.value, dict) else ()
        for key in map(str, range(len(self.value)) if isinstance(self.value, list) else keys):
            if (child := self.get(key)) is not None:
                yield key, child

    def text(self, key: str) -> str | None:
        """The text under a key; None if there is another value, or none."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return value if isinstance(value, str) else None

    def followed(self) -> ContractNode:
        """The target of a reference; any other value itself. Raises ContractError for one that leads nowhere."""
        node = self
        for _ in range(DEEPEST):
            if (reference := node.text("$ref")) is None:
                return node
            node = node.target(reference)
        raise ContractError(self.place, f"it refers to itself, or through {DEEPEST} others.")

    def target(self, reference: str) -> ContractNode:
        uri, _, fragment = urljoin(self.uri, reference).partition("#")
        try:
            content = self.documents.content(uri)
        except ContractError as error:
            raise ContractError(self.place, f"it refers to {reference}. {error}") from error
        node: ContractNode | None = ContractNode(self.documents, uri, (), content)
        for key in map(unescaped, unquote(fragment).split("/")[1:]):
            node = node.child(key) if node is not None else None
        if node is None:
            raise ContractError(self.place, f"it refers to {reference}, and nothing is there.")
        return node


def version_of(root: ContractNode, kind: str) -> str:
    """The version of a whole file that is to be `openapi` or `asyncapi`. Raises ContractError for others."""
    version, (starts, names) = root.text(kind) or "", VERSIONS[kind]
    if not version.startswith(starts):
        found = [f"{key}: {root.value[key]}" for key in ("swagger", *VERSIONS) if root.child(key) is not None]
        said = f"the file has `{found[0]}`" if found else "the file has none"
        raise ContractError(root.place, f"`{kind}` must be a version {names}; {said}.")
    return version


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")


def text_of(path: Path) -> str:
    """The text of a file, with its own line ends. Raises ContractError."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ContractError(str(path), f"it cannot be read: {reason}.") from error


def content_of(path: Path, text: str) -> Any:
    """The content of a file with this text: JSON by the end of its name, else YAML. Raises ContractError."""
    try:
        return json_value(text) if is_json_file(path) else _texts_as_keys(yaml_value(text, _Loader))
    except ValueError as error:
        form = "JSON" if is_json_file(path) else "YAML"
        raise ContractError(str(path), f"it is not {form}: {error}.") from error


def is_json_file(path: Path) -> bool:
    return path.suffix == ".json"


def _texts_as_keys(value: Any) -> Any:
    """YAML takes `200:` for a number."""
    if isinstance(value, Mapping):
        return {str(key): _texts_as_keys(each) for key, each in value.items()}
    return [_texts_as_keys(each) for each in value] if isinstance(value, list) else value


class _Loader(strict_loader()):  # type: ignore[misc]
    """YAML with the types of JSON: dates, `on` and `no` stay texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, form) for tag, form in kinds if not tag.endswith((":timestamp", ":bool"))]
        for first, kinds in strict_loader().yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])
