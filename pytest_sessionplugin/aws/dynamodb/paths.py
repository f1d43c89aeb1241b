"""Document paths: `a.b[2]` is `("a", "b", 2)`. Reads, projects and changes items by them, without changing an item."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal, Value

DocumentPath = tuple[Any, ...]
"""Names (str) of attributes and of members of maps, and positions (int) in lists; the first is a name."""

NO_SUCH_PLACE = "The document path provided in the update expression is invalid for update"


def found(item: Item, path: DocumentPath) -> Value | None:
    """The value at the path, or None."""
    value = item.get(path[0])
    for step in path[1:]:
        if value is None:
            return None
        value = _member(value, step)
    return value


def _member(value: Value, step: str | int) -> Value | None:
    if isinstance(step, str):
        return value["M"].get(step) if "M" in value else None
    held = value.get("L", ())
    return held[step] if step < len(held) else None


def overlapping(paths: Iterable[DocumentPath]) -> tuple[DocumentPath, DocumentPath] | None:
    """The first two paths of which one leads through the other."""
    return next(((one, other) for one, other in _meeting(paths) if one[: len(other)] == other[: len(one)]), None)


def conflicting(paths: Iterable[DocumentPath]) -> tuple[DocumentPath, DocumentPath] | None:
    """The first two paths that ask for a member and for an element of one value."""
    return next(((one, other) for one, other in _meeting(paths) if _conflict(one, other)), None)


def _conflict(one: DocumentPath, other: DocumentPath) -> bool:
    parted = next(((step, there) for step, there in zip(one, other, strict=False) if step != there), None)
    return parted is not None and isinstance(parted[0], int) is not isinstance(parted[1], int)


def _meeting(paths: Iterable[DocumentPath]) -> Iterator[tuple[DocumentPath, DocumentPath]]:
    """Pairs of paths into one attribute, each with those before it."""
    by_attribute: dict[str, list[DocumentPath]] = {}
    for path in paths:
        earlier = by_attribute.setdefault(path[0], [])
        yield from ((each, path) for each in earlier)
        earlier.append(path)


def words(path: DocumentPath) -> str:
    """The path as messages write it: `a, b, [2]`."""
    return ", ".join(f"[{step}]" if isinstance(step, int) else step for step in path)


# --- projections

Branches = dict[str | int, Any]
"""Steps, each with the steps below it; None for all that is there."""


def project(item: Item, paths: Iterable[DocumentPath]) -> Item:
    """The parts of the item that paths lead to. Elements of lists keep their order and close their gaps."""
    tree: Branches = {}
    for path in paths:
        branches = tree
        for step in path[:-1]:
            branches = branches.setdefault(step, {})
        branches[path[-1]] = None
    return dict(_picked(((name, item[name]) for name in tree if name in item), tree))


def _picked(members: Iterable[tuple[Any, Value]], tree: Branches) -> Iterator[tuple[Any, Value]]:
    for step, value in members:
        part = value if (below := tree[step]) is None else _part(value, below)
        if part is not None:
            yield step, part


def _part(value: Value, tree: Branches) -> Value | None:
    if "M" in value:
        chosen = dict(_picked(((name, held) for name, held in value["M"].items() if name in tree), tree))
        return {"M": chosen} if chosen else None
    if "L" in value:
        elements = [held for _, held in _picked(((at, held) for at, held in enumerate(value["L"]) if at in tree), tree)]
        return {"L": elements} if elements else None
    return None


# --- changes

Edit = Callable[[Any], Any]
"""Gives the new container of a value for the old one: a dict's or a list's."""


def by_position(path: DocumentPath) -> tuple[int, ...]:
    """Sorts elements of a list by their positions, and leaves all else in its order."""
    return tuple(step if isinstance(step, int) else 0 for step in path)


def assign(item: Item, path: DocumentPath, value: Value) -> Item:
    """The item with a value at the path; beyond the end of a list it is appended. Raises Refusal."""

    def put(held: Any) -> Any:
        step = path[-1]
        if isinstance(held, dict):
            return {**held, step: value}
        return [*held[:step], value, *held[step + 1 :]]

    return _edited(item, path, put)


def remove(item: Item, paths: Collection[DocumentPath]) -> Item:
    """The item without what is at the paths, each as it is before any is removed. Raises Refusal."""
    for path in sorted(paths, key=by_position, reverse=True):  # from the end: none moves before it is removed
        step = path[-1]

        def without(held: Any, step: Any = step) -> Any:
            if isinstance(held, dict):
                return {name: each for name, each in held.items() if name != step}
            return [*held[:step], *held[step + 1 :]]

        item = _edited(item, path, without)
    return item


def _edited(item: Item, path: DocumentPath, edit: Edit) -> Item:
    """The item with the container at the path's end replaced; those on the way are copied."""
    if len(path) == 1:
        changed: Item = edit(item)
        return changed
    name = path[0]
    if name not in item:
        raise Refusal(NO_SUCH_PLACE)
    return {**item, name: _edited_value(item[name], path[1:], edit)}


def _edited_value(value: Value, path: DocumentPath, edit: Edit) -> Value:
    step = path[0]
    kind = "L" if isinstance(step, int) else "M"
    if kind not in value:
        raise Refusal(NO_SUCH_PLACE)
    held = value[kind]
    if len(path) == 1:
        return {kind: edit(held)}
    if isinstance(step, int):
        if step >= len(held):
            raise Refusal(NO_SUCH_PLACE)
        return {"L": [*held[:step], _edited_value(held[step], path[1:], edit), *held[step + 1 :]]}
    if step not in held:
        raise Refusal(NO_SUCH_PLACE)
    return {"M": {**held, step: _edited_value(held[step], path[1:], edit)}}
