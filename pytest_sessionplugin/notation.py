"""JSON and YAML of a project's files, read strictly: a key that comes twice is refused, and a value nested too deep."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Iterable
from typing import Any

MOST_LEVELS = 100  # of objects and lists in each other


def json_value(text: str) -> Any:
    """The value of JSON. Raises ValueError with one line."""
    try:
        return _shallow(json.loads(text, object_pairs_hook=_object))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def yaml_value(text: str, loader: Any) -> Any:
    """The value of YAML by `strict_loader()`, or a class of it. Raises ValueError with one line."""
    yaml = _yaml()
    try:
        _refuse_levels(yaml.parse(text, loader))
        return _shallow(yaml.load(text, loader))
    except yaml.YAMLError as error:
        raise ValueError(_line(error)) from error


@functools.cache
def strict_loader() -> Any:
    """PyYAML's safe loader: it makes no objects, whatever a tag says. PyYAML is imported for the first that needs it.

    PyYAML itself would silently take the last of two values with the same key.
    """
    yaml = _yaml()
    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class StrictLoader(safe):  # type: ignore[misc]
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

    return StrictLoader


def _yaml() -> Any:
    return importlib.import_module("yaml")  # it has no types of its own


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has the key {key} twice")
        found[key] = value
    return found


def _line(error: Any) -> str:
    """PyYAML's own text has four lines."""
    if getattr(error, "problem_mark", None) is None:
        return " ".join(str(error).split()).replace('in "<unicode string>", ', "at ")
    begun = error.context_mark
    context = f", {error.context} from line {begun.line + 1}" if error.context and begun is not None else ""
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}{context}"


# --- levels, which are limited since readers of a value may recurse

_TOO_DEEP = f"it is nested deeper than {MOST_LEVELS} levels"


def _shallow(value: Any) -> Any:
    """The value. Raises ValueError if it has too many levels, or, by an alias of YAML, no end of them."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        if not level:
            return value
        members = {id(each): each for parent in level for each in _members(parent)}  # an alias counts once
        level = [each for each in members.values() if isinstance(each, dict | list)]
    raise ValueError(_TOO_DEEP)


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse_levels(events: Iterable[Any]) -> None:
    """The same for a text that was not loaded: PyYAML's loader of C would overflow the stack of the process."""
    levels = 0
    for event in events:
        kind = type(event).__name__
        levels += kind in ("MappingStartEvent", "SequenceStartEvent")
        levels -= kind in ("MappingEndEvent", "SequenceEndEvent")
        if levels > MOST_LEVELS:
            raise ValueError(_TOO_DEEP)
