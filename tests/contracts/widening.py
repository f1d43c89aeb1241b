"""Whether one version of the contracts is a widening of another: what clients send is taken, what they hear they know.

A client ignores fields and frames that it does not know, takes an unknown status for the first of its class, and an
unknown `code` for its status: answers may gain those. Everything else that an answer gains, and everything that a
request loses, breaks somebody. Schemas are compared conservatively: a reason is given where it cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.contracts.documents import load, operations, resolved

ANNOTATIONS: Final = {"$schema", "title", "description", "examples", "default", "deprecated", "$ref"}
KINDS: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
LOWEST: Final = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
HIGHEST: Final = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
SAME: Final = {"pattern", "format"}
OBJECTS: Final = {"properties", "required", "additionalProperties"}
COMPARED: Final = ANNOTATIONS | LOWEST | HIGHEST | SAME | OBJECTS | {"type", "items", "const", "enum", "anyOf", "allOf"}
OF_SCALARS: Final = LOWEST | HIGHEST | {"type", "const", "enum", "pattern"}
GROWING: Final = {"code"}  # fields of answers whose values may become more


@dataclass(frozen=True)
class Schema:
    """A schema with all parts of its own file and others put together: references followed, `allOf` merged."""

    node: Mapping[str, Any]
    file: Path

    @classmethod
    def of(cls, node: Any, file: Path) -> Schema:
        found, where = resolved(node, file)
        beside = {key: value for key, value in node.items() if key != "$ref"} if found is not node else {}
        merged = {**found, **beside}
        for part in merged.pop("allOf", ()):
            merged = _merged(merged, cls.of(part, where if found is not node else file).absolute)
        return cls(merged, where)

    @property
    def absolute(self) -> Mapping[str, Any]:
        """The node with references that hold from any file."""
        result: Mapping[str, Any] = _absolute(self.node, self.file)
        return result

    def child(self, node: Any) -> Schema:
        return Schema.of(node, self.file)

    @property
    def alternatives(self) -> list[Schema]:
        """The schemas of `anyOf`, each together with what stands beside it."""
        beside = _absolute({key: value for key, value in self.node.items() if key != "anyOf"}, self.file)
        return [Schema(_merged(beside, self.child(each).absolute), self.file) for each in self.node["anyOf"]]

    @property
    def kinds(self) -> frozenset[str]:
        kind = self.node.get("type", KINDS)
        return frozenset([kind] if isinstance(kind, str) else kind)

    @property
    def values(self) -> list[Any] | None:
        """All its values, if it lists them."""
        if "const" in self.node:
            return [self.node["const"]]
        values: list[Any] | None = self.node.get("enum")
        return values


def _absolute(node: Any, file: Path) -> Any:
    if isinstance(node, Mapping):
        of = {key: _absolute(value, file) for key, value in node.items()}
        if isinstance(node.get("$ref"), str):
            name, _, pointer = node["$ref"].partition("#")
            of["$ref"] = f"{(file.parent / name).resolve() if name else file}#{pointer}"
        return of
    return [_absolute(each, file) for each in node] if isinstance(node, list) else node


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of what fits both, where `other` only adds conditions to properties, and required ones."""
    properties = {**one.get("properties", {})}
    for name, node in other.get("properties", {}).items():
        properties[name] = {**properties.get(name, {}), **node}
    required = sorted({*one.get("required", ()), *other.get("required", ())})
    merged = {**one, **other}
    return {
        **merged,
        **({"properties": properties} if properties else {}),
        **({"required": required} if required else {}),
    }


def narrower(outer: Schema, inner: Schema, *, heard: bool, where: str = "") -> Iterator[str]:
    """Reasons why a value of `inner` may be none of `outer`. `heard`: in an answer, where clients ignore new fields."""
    if "anyOf" in inner.node:
        for each in inner.alternatives:
            yield from narrower(outer, each, heard=heard, where=where)
        return
    if "anyOf" in outer.node:
        found = [list(narrower(each, inner, heard=heard, where=where)) for each in outer.alternatives]
        yield from min(found, key=len)
        return
    if isinstance(outer.node.get("additionalProperties"), Mapping):
        yield f"{where}: a schema of other fields is not compared"
    if unknown := sorted((set(outer.node) - COMPARED) - {key for key in outer.node if key.startswith("x-")}):
        yield from (f"{where}: {key} is not compared" for key in unknown if outer.node[key] != inner.node.get(key))
    if not heard and inner.node.get("default") != outer.node.get("default"):
        yield f"{where}: stood for {inner.node.get('default')}, and stands for {outer.node.get('default')}"
    if inner.values is not None:
        own = Draft202012Validator({key: value for key, value in outer.node.items() if key in OF_SCALARS})
        yield from (f"{where}: {value!r} is new" for value in inner.values if not own.is_valid(value))
        return
    if outer.values is not None:
        yield f"{where}: only {outer.values} were known"
        return
    reached = {"integer"} if "number" in outer.kinds else set[str]()
    if kinds := inner.kinds - outer.kinds - reached:
        yield f"{where}: {', '.join(sorted(kinds))} is new"
    yield from _bounds(outer.node, inner.node, where)
    if "array" in inner.kinds and "items" in outer.node:
        yield from narrower(
            outer.child(outer.node["items"]),
            inner.child(inner.node.get("items", {})),
            heard=heard,
            where=f"{where}/items",
        )
    if "object" in inner.kinds:
        yield from _fields(outer, inner, heard=heard, where=where)


def _bounds(outer: Mapping[str, Any], inner: Mapping[str, Any], where: str) -> Iterator[str]:
    for key in sorted((LOWEST | HIGHEST | SAME) & set(outer)):
        bound, known = inner.get(key), outer[key]
        fits = bound == known or (
            bound is not None and ((key in LOWEST and bound > known) or (key in HIGHEST and bound < known))
        )
        if not fits:
            yield f"{where}: {key} was {known}, and is {bound}"


def _fields(outer: Schema, inner: Schema, *, heard: bool, where: str) -> Iterator[str]:
    yield from (
        f"{where}/{name}: must be there"
        for name in sorted(set(outer.node.get("required", ())) - set(inner.node.get("required", ())))
    )
    mine, others = outer.node.get("properties", {}), inner.node.get("properties", {})
    for name, node in others.items():
        if name in mine:
            known = mine[name]
            if heard and name in GROWING:
                known = {key: value for key, value in known.items() if key not in {"const", "enum"}}
            yield from narrower(outer.child(known), inner.child(node), heard=heard, where=f"{where}/{name}")
        elif not heard and outer.node.get("additionalProperties") is False:
            yield f"{where}/{name}: is not taken"
    if inner.node.get("additionalProperties", True) is not False and not heard:
        if outer.node.get("additionalProperties", True) is False:
            yield f"{where}: any other field was taken"
        yield from (f"{where}/{name}: took any value" for name in mine if name not in others)


# --- HTTP


def broken_http(old: Path, new: Path) -> Iterator[str]:
    """Reasons why a client of the old openapi.yaml does not get on with the new one."""
    there = {(path, method): operation for path, method, operation in operations(load(new))}
    for path, method, before in operations(load(old)):
        name = f"{method.upper()} {path}"
        if (after := there.get((path, method))) is None:
            yield f"{name}: is gone"
            continue
        if before.get("security") != after.get("security"):
            yield f"{name}: security was {before.get('security')}, and is {after.get('security')}"
        yield from _parameters(_named(load(old), path, before, old), _named(load(new), path, after, new), name)
        yield from _body(before, after, old, new, name)
        yield from _answers(before["responses"], after["responses"], old, new, name)


def _named(document: Any, path: str, operation: Any, file: Path) -> dict[tuple[str, str], tuple[Any, Path]]:
    given = [*document["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
    found = [resolved(each, file) for each in given]
    return {(each["in"], each["name"]): (each, where) for each, where in found}


def _parameters(
    old: Mapping[tuple[str, str], tuple[Any, Path]], new: Mapping[tuple[str, str], tuple[Any, Path]], name: str
) -> Iterator[str]:
    for key, (before, file) in old.items():
        where = f"{name} {key[0]} {key[1]}"
        if key not in new:
            yield f"{where}: is gone"
            continue
        after, there = new[key]
        yield from narrower(
            Schema.of(after["schema"], there), Schema.of(before["schema"], file), heard=False, where=where
        )
    for key, (after, _) in new.items():
        if after.get("required") and not (key in old and old[key][0].get("required")):
            yield f"{name} {key[0]} {key[1]}: must be there"


def _body(before: Any, after: Any, old: Path, new: Path, name: str) -> Iterator[str]:
    sent, taken = before.get("requestBody", {}), after.get("requestBody", {})
    if taken.get("required") and not sent.get("required"):
        yield f"{name}: a body must be there"
    for kind, media in sent.get("content", {}).items():
        if kind not in taken.get("content", {}):
            yield f"{name}: {kind} is not taken"
        else:
            outer = Schema.of(taken["content"][kind]["schema"], new)
            yield from narrower(outer, Schema.of(media["schema"], old), heard=False, where=f"{name} body")


def _answers(before: Any, after: Any, old: Path, new: Path, name: str) -> Iterator[str]:
    for status, node in after.items():
        where = f"{name} {status}"
        if status not in before:
            if status < "4":
                yield f"{where}: is new"
            continue
        (answer, there), (known, file) = resolved(node, new), resolved(before[status], old)
        for kind, media in answer.get("content", {}).items():
            if kind not in known.get("content", {}):
                yield f"{where}: {kind} is new"
            else:
                outer = Schema.of(known["content"][kind]["schema"], file)
                yield from narrower(outer, Schema.of(media["schema"], there), heard=True, where=f"{where} body")
        for header, described in known.get("headers", {}).items():
            header_before, _ = resolved(described, file)
            header_after, its = resolved(answer.get("headers", {}).get(header, {}), there)
            if header_before.get("required") and not header_after.get("required"):
                yield f"{where} {header}: must be there"
            elif header_after:
                outer, inner = Schema.of(header_before["schema"], file), Schema.of(header_after["schema"], its)
                yield from narrower(outer, inner, heard=True, where=f"{where} {header}")


# --- WebSocket


def broken_websocket(old: Path, new: Path) -> Iterator[str]:
    """Reasons why a client of the old asyncapi.yaml does not get on with the new one."""
    before, after = _messages(load(old)), _messages(load(new))
    for (action, name), message in before.items():
        if (action, name) not in after:
            if action == "receive":
                yield f"{name}: is gone"
            continue
        known = Schema.of(message["payload"]["schema"], old)
        found = Schema.of(after[action, name]["payload"]["schema"], new)
        if action == "receive":
            yield from narrower(found, known, heard=False, where=name)
        else:
            yield from narrower(known, found, heard=True, where=name)
    for name, channel in load(old)["channels"].items():
        there = load(new)["channels"].get(name)
        if there is None or there["address"] != channel["address"]:
            yield f"{name}: has another address"
            continue
        for part in ("query", "headers"):
            taken = Schema.of(there["bindings"]["ws"][part], new)
            sent = Schema.of({**channel["bindings"]["ws"][part], "additionalProperties": False}, old)
            yield from narrower(taken, sent, heard=False, where=f"{name} {part}")


def _messages(document: Any) -> dict[tuple[str, str], Any]:
    """Messages by direction and name."""
    found = {}
    for operation in document["operations"].values():
        there = operation["action"]
        back = {"receive": "send", "send": "receive"}[there]
        for action, part in ((there, operation), (back, operation.get("reply", {}))):
            for each in part.get("messages", ()):
                name = each["$ref"].rpartition("/")[2]
                found[action, name] = document["components"]["messages"][name]
    return found


def broken(old: Path, new: Path) -> list[str]:
    """Reasons why clients of the contracts in one folder do not get on with those in another."""
    http = broken_http(old / "openapi.yaml", new / "openapi.yaml")
    return [*http, *broken_websocket(old / "asyncapi.yaml", new / "asyncapi.yaml")]
