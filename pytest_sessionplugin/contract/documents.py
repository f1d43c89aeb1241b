"""The files of a contract, JSON or YAML, and the references between them. None is fetched from the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

import yaml  # type: ignore[import-untyped]

from pytest_sessionplugin.contract.stack import on_own_stack
from pytest_sessionplugin.errors import ContractError

DEEPEST = 32  # references in a row
MOST_LEVELS = 100  # of objects and lists in each other, in one file

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

    def parsed() -> Any:
        if is_json_file(path):
            content = json.loads(text, object_pairs_hook=_object)
        else:
            _refuse_depth_of_yaml(text)
            content = yaml.load(text, _Loader)  # noqa: S506
        _refuse_depth(content)
        return content if is_json_file(path) else _texts_as_keys(content)

    try:
        return on_own_stack(parsed)
    except RecursionError as error:
        raise ContractError(str(path), f"it is nested deeper than {MOST_LEVELS} levels.") from error
    except (ValueError, yaml.YAMLError) as error:
        form = "JSON" if is_json_file(path) else "YAML"
        raise ContractError(str(path), f"it is not {form}: {_reason(error)}.") from error


def _reason(error: ValueError | yaml.YAMLError) -> str:
    """One line. PyYAML's own text has four."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    begun = error.context_mark
    context = f", {error.context} from line {begun.line + 1}" if error.context and begun is not None else ""
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}{context}"


def _refuse_depth(content: Any) -> None:
    """Raises RecursionError for a content of more than MOST_LEVELS: what reads it recurses."""
    level = [content]
    for _ in range(MOST_LEVELS + 1):
        if not level:
            return
        members = {id(each): each for value in level for each in _members(value)}  # an alias of YAML counts once
        level = [each for each in members.values() if isinstance(each, dict | list)]
    raise RecursionError("the content is nested too deep")


def _refuse_depth_of_yaml(text: str) -> None:
    """The same for a text: PyYAML's parser of C would overflow the stack of the process."""
    levels = 0
    for event in yaml.parse(text, _Loader):
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if levels > MOST_LEVELS:
            raise RecursionError("the content is nested too deep")


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has the key {key} twice")
        found[key] = value
    return found


def is_json_file(path: Path) -> bool:
    return path.suffix == ".json"


def _texts_as_keys(value: Any) -> Any:
    """YAML takes `200:` for a number."""
    if isinstance(value, Mapping):
        return {str(key): _texts_as_keys(each) for key, each in value.items()}
    return [_texts_as_keys(each) for each in value] if isinstance(value, list) else value


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML with the types of JSON: dates, `on` and `no` stay texts. A key that comes twice is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, form) for tag, form in kinds if not tag.endswith((":timestamp", ":bool"))]
        for first, kinds in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.MappingNode):
            self._refuse_a_key_twice(node)
        return super().construct_mapping(node, deep=deep)

    def _refuse_a_key_twice(self, node: Any) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in lines:
                problem = f"the key {key.value} stands in line {lines[key.value]}, too"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=key.start_mark)
            lines[key.value] = key.start_mark.line + 1


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"])
