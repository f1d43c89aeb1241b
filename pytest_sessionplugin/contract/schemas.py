"""The schemas of a contract: JSON Schema in the dialect of their file, by `jsonschema`, of the extra `contracts`."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import attrs
from jsonschema import (  # type: ignore[import-untyped]
    Draft4Validator,
    FormatChecker,
    ValidationError,
    validators,
)
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT4, specification_with

from pytest_sessionplugin.contract.documents import ContractNode, escaped
from pytest_sessionplugin.contract.stack import on_own_stack, refuse_recursion
from pytest_sessionplugin.errors import ContractError
from pytest_sessionplugin.gateway.redaction import is_secret, redacted

OPENAPI_30 = "https://spec.openapis.org/oas/3.0"
"""Stands for the dialect of OpenAPI 3.0, which has no URI of its own."""
OPENAPI_31 = "https://spec.openapis.org/oas/3.1/dialect/base"
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"
DRAFT_07 = "http://json-schema.org/draft-07/schema#"

LONGEST = 200  # characters of a sentence


@dataclass(frozen=True)
class Mismatch:
    """A part of a value that its schema does not allow."""

    pointer: str  # of the part in the value; empty for the whole
    sentence: str
    place: str  # of the keyword in the contract


class Schemas:
    """The schemas of one file and of those that it refers to. A file that names no `$schema` has `dialect`."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._made: dict[tuple[ContractNode, str, bool], Any] = {}
        self._registries: dict[str, Registry[Any]] = {}  # by the URI of a file

    def mismatches(
        self, node: ContractNode, value: Any, *, of_request: bool, dialect: str | None = None
    ) -> list[Mismatch]:
        """Every part of a value that the schema in `node` does not allow. Raises ContractError for a broken schema."""

        def told() -> list[Mismatch]:
            validator = self._validator(node, of_request, dialect)
            try:
                return [_mismatch(node, _closest(error)) for error in validator.iter_errors(value)]
            except Unresolvable as error:
                raise _unresolved(node, error) from error
            except RecursionError:
                return [Mismatch("", "it is nested too deep", node.followed().place)]

        return on_own_stack(told)

    def fits(self, node: ContractNode, value: Any, *, dialect: str | None = None) -> bool:
        """Whether an answer or a frame has no mismatches, in a fraction of the time."""

        def is_valid() -> bool:
            validator = self._validator(node, False, dialect)
            try:
                return bool(validator.is_valid(value))
            except Unresolvable as error:
                raise _unresolved(node, error) from error
            except RecursionError:
                return False

        return on_own_stack(is_valid)

    def _validator(self, node: ContractNode, of_request: bool, dialect: str | None) -> Any:
        target = node.followed()
        chosen = dialect or _named(target.value) or self._of_file(target)
        key = target, chosen, of_request
        if key not in self._made:
            cls = _class(chosen, of_request)
            _check(cls, target)
            schema = {"$ref": f"{target.uri}#{_quoted(target.pointer)}"}
            self._made[key] = cls(schema, registry=self._registry_of(target), format_checker=FORMATS)
        return self._made[key]

    def _of_file(self, node: ContractNode) -> str:
        return _named(node.documents.content(node.uri)) or self._dialect

    def _registry_of(self, node: ContractNode) -> Registry[Any]:
        """The file of a schema and all that it leads to: a registry looks up what it knows in a tenth of the time."""
        if node.uri not in self._registries:
            documents = node.documents
            known = {uri: self._resource(documents.content(uri)) for uri in documents.reached(node.uri)}
            registry: Registry[Any] = Registry(retrieve=lambda uri: self._resource(documents.content(uri)))  # type: ignore[call-arg]  # attrs without its plugin
            self._registries[node.uri] = registry.with_resources(known.items()).crawl()
        return self._registries[node.uri]

    def _resource(self, content: Any) -> Resource[Any]:
        chosen = _named(content) or self._dialect
        return (DRAFT4 if chosen == OPENAPI_30 else specification_with(_standard(chosen))).create_resource(content)


def parsed(text: str | bytes) -> Any:
    """The value of JSON. Raises ValueError for anything else, as for NaN, or a list that is nested too deep."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _unresolved(node: ContractNode, error: BaseException) -> ContractError:
    """The error of a reference in a schema; the cause has one of ours if a file could not be read."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ContractError):
        cause = cause.__cause__ or cause.__context__
    return cause or ContractError(node.place, f"a reference in the schema leads nowhere: {getattr(error, 'ref', '')}.")


def _check(cls: Any, node: ContractNode) -> None:
    """Raises ContractError for a value that is not a schema of the dialect. jsonschema's own takes its own class."""
    try:
        error = next(cls(cls.META_SCHEMA, format_checker=cls.FORMAT_CHECKER).iter_errors(node.value), None)
    except RecursionError as recursion:
        raise ContractError(node.place, "not a schema: it is nested too deep.") from recursion
    if error is not None:
        where = "".join(f"/{escaped(str(part))}" for part in error.absolute_path)
        raise ContractError(f"{node.place}{where}", f"not a schema: {error.message[:LONGEST]}.")


def _named(value: Any) -> str | None:
    """The dialect that a schema or an OpenAPI file names."""
    if not isinstance(value, dict):
        return None
    found = value.get("$schema") or value.get("jsonSchemaDialect")
    return found if isinstance(found, str) else None


def _standard(dialect: str) -> str:
    return DRAFT_2020_12 if dialect.startswith("https://spec.openapis.org/oas/3.1/") else dialect


def _quoted(pointer: str) -> str:
    """The pointer in a fragment of a URI."""
    return re.sub(r"[^!$&-;=@-Z_a-z~]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), pointer)


@functools.cache
def _class(dialect: str, of_request: bool) -> Any:
    if dialect == OPENAPI_30:
        base: Any = validators.extend(Draft4Validator, {"type": _type_or_null})
    else:
        base = validators.validator_for({"$schema": _standard(dialect)}, default=None)
        if base is None:
            raise ContractError(dialect, "jsonschema does not know this dialect.")
    cls = validators.extend(base, {"required": _required("readOnly" if of_request else "writeOnly")})
    cls.evolve = _evolved(of_request, [(each.name, each.alias) for each in attrs.fields(cls) if each.init])
    return cls


def _evolved(of_request: bool, fields: Sequence[tuple[str, str]]) -> Any:
    """`evolve`, by which a validator descends. jsonschema's own takes its own class for a schema with `$schema`."""

    def evolve(validator: Any, **changes: Any) -> Any:
        refuse_recursion()
        schema = changes.get("schema")
        named = schema.get("$schema") if isinstance(schema, dict) else None
        cls = _class(named, of_request) if isinstance(named, str) else type(validator)
        return cls(**{alias: getattr(validator, name) for name, alias in fields} | changes)

    return evolve


def _type_or_null(validator: Any, types: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    """`nullable` of OpenAPI 3.0."""
    if value is not None or schema.get("nullable") is not True:
        yield from Draft4Validator.VALIDATORS["type"](validator, types, value, schema)


def _required(absent: str) -> Any:
    """`required` without properties that a request, or an answer, does not have."""

    def required(validator: Any, names: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        properties = schema.get("properties", {})
        for name in names if validator.is_type(value, "object") else ():
            if name not in value and not (isinstance(of := properties.get(name), dict) and of.get(absent) is True):
                yield ValidationError(f"{name!r} is a required property")

    return required


def _closest(error: Any) -> Any:
    """Of several alternatives, the error of the one that comes closest: whose constants and type are right."""
    if not error.context:
        return error
    alternatives: dict[Any, list[Any]] = {}
    for each in error.context:
        alternatives.setdefault(each.schema_path[0], []).append(each)

    def distance(errors: list[Any]) -> tuple[bool, bool, int]:
        is_another = any(each.validator in ("const", "enum") for each in errors)
        return is_another, any(each.validator == "type" and not each.path for each in errors), len(errors)

    return _closest(min(alternatives.values(), key=distance)[0])


def _mismatch(node: ContractNode, error: Any) -> Mismatch:
    where = [str(part) for part in error.absolute_path]
    sentence = str(error.message)
    if any(map(is_secret, where)):
        sentence = f"the value does not satisfy {error.validator!r}"
    sentence = redacted(sentence)
    if len(sentence) > LONGEST:
        sentence = f"{sentence[:LONGEST]}…"
    return Mismatch("".join(f"/{escaped(part)}" for part in where), sentence, _place(node, error.absolute_schema_path))


def _place(node: ContractNode, path: Any) -> str:
    """Where the keyword stands. The path does not say where it goes through references."""
    at: ContractNode | None = node.followed()
    parts = [str(part) for part in path]
    for number, part in enumerate(parts):
        before = at
        try:
            at = before.child(part) or before.followed().child(part) if before is not None else None
        except ContractError:  # a reference that is relative to an `$id`
            at = None
        if at is None and before is not None:
            return f"{before.place}/{'/'.join(map(escaped, parts[number:]))}"
    return at.place if at is not None else node.place


# --- formats. Which ones jsonschema itself checks depends on what else is installed.

FORMATS = FormatChecker(["date", "email", "ipv4", "ipv6", "regex", "uuid"])
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")


@FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
def _is_date_time(value: Any) -> bool:
    """RFC 3339."""
    if not isinstance(value, str):
        return True
    return _DATE_TIME.fullmatch(value) is not None and datetime.fromisoformat(value.upper()) is not None


@FORMATS.checks("uri", raises=ValueError)  # type: ignore[untyped-decorator]
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and " " not in value)


@FORMATS.checks("int32")  # type: ignore[untyped-decorator]
def _is_int32(value: Any) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@FORMATS.checks("int64")  # type: ignore[untyped-decorator]
def _is_int64(value: Any) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63
