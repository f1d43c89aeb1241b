"""Additions to the text of a JSON or YAML file. In YAML, every line that is there stays as it is, with its comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

from pytest_sessionplugin.contract.documents import escaped
from pytest_sessionplugin.errors import ContractError

APPEND = "-"
"""The last part of the path of a new item of a list (RFC 6901)."""

_COMMENT = re.compile(r"(?:[ \t]*(?:#.*)?\r?\n)*[ \t]+#")
"""An indented comment before anything else."""


@dataclass(frozen=True)
class Addition:
    """A value that is to be put into an object under a new key, or at the end of a list."""

    path: tuple[str, ...]
    value: Any


def applied(content: Any, additions: Sequence[Addition], name: str = "") -> Any:
    """A copy of a file's content with the additions. Null, as of a key without a value, is an empty object or list.

    Raises ContractError with the `name` of the file.
    """
    result = json.loads(json.dumps(content))
    for addition in additions:
        result = _put(result, addition.path, addition.value, f"{name}#")
    return result


def _put(content: Any, path: Sequence[str], value: Any, place: str) -> Any:
    key, *rest = path
    below = f"{place}/{escaped(key)}"
    if content is None:
        content = [] if key == APPEND else {}
    if isinstance(content, list) and key == APPEND:
        return [*content, value]
    if isinstance(content, list) and rest and key.isdigit() and int(key) < len(content):
        number = int(key)
        return [*content[:number], _put(content[number], rest, value, below), *content[number + 1 :]]
    if not isinstance(content, dict) or key == APPEND:
        raise ContractError(place, f"it must be {'a list' if key == APPEND else 'an object'}.")
    return {**content, key: _put(content.get(key), rest, value, below) if rest else value}


# --- a whole text


def as_json(content: Any, like: str = "") -> str:
    """JSON with the indentation of another one, else of two spaces."""
    found = re.search(r'\n([ \t]+)"', like)
    return json.dumps(content, indent=found[1] if found else 2, ensure_ascii=False) + "\n"


class _Quoting(yaml.SafeDumper):  # type: ignore[misc]
    """Without anchors and with indented lists."""

    def ignore_aliases(self, _: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


class _Dumper(_Quoting):
    """With texts of several lines as such."""


def as_yaml(content: Any, *, dumper: type[_Quoting] = _Dumper) -> str:
    text: str = yaml.dump(content, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return text


def _quoted(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)


def _literal(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Quoting.add_representer(str, _quoted)
_Dumper.add_representer(str, _literal)


# --- additions to a YAML text


def inserted(text: str, additions: Sequence[Addition], name: str = "") -> str:
    """The YAML with the additions in it. Raises ContractError for a place that the text does not have as such.

    A text may mean something else afterwards, where it is YAML of a rare kind: the caller compares.
    """
    plan = list(_edits(text, additions, name))
    plan.sort(key=lambda edit: (edit.start, edit.end, -edit.depth))
    parts, at = [], 0
    for edit in plan:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


@dataclass(frozen=True)
class _Edit:
    """Replaces a part of a text. Of several at one place, the deepest comes first."""

    start: int
    end: int
    depth: int
    text: str


@dataclass(frozen=True)
class _Place:
    """A node of a YAML text; the object or list around it; the column for what is in it."""

    node: Any
    is_in_flow: bool
    column: int


def _edits(text: str, additions: Sequence[Addition], name: str) -> Iterator[_Edit]:
    root = yaml.compose(text, Loader=_Composer)
    by_owner: dict[tuple[str, ...], list[Addition]] = {}
    for addition in additions:
        by_owner.setdefault(addition.path[:-1], []).append(addition)
    for path, group in by_owner.items():
        place = _find(root, path, name)
        is_list = group[0].path[-1] == APPEND
        new: Any = [each.value for each in group] if is_list else {each.path[-1]: each.value for each in group}
        yield from _edits_at(text, place, new, len(path))


def _edits_at(text: str, place: _Place, new: Any, depth: int) -> Iterator[_Edit]:
    node = place.node
    start, end = node.start_mark.index, node.end_mark.index
    if _is_collection(node) and node.value and node.flow_style:
        first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node.value[0]
        is_broken = first.start_mark.line > node.start_mark.line
        gap = f",\n{' ' * first.start_mark.column}" if is_broken else ", "
        after = _end(node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1], text)
        yield _Edit(after, after, depth, _newlines(text, gap) + _inline(new)[1:-1])
    elif _is_collection(node) and node.value:
        yield _below(text, _end(node, text), new, _column(node, text), depth)
    elif place.is_in_flow:
        yield _Edit(start, end, depth, _inline(new))
    else:  # {}, [] or null
        before = len(text[:start].rstrip(" ")) if end > start else start
        yield _Edit(before, end, depth, "")
        yield _below(text, end, new, place.column, depth)


def _below(text: str, index: int, new: Any, column: int, depth: int) -> _Edit:
    """Lines after the one at `index`."""
    end_of_line = text.find("\n", index)
    at, before = (len(text), "\n") if end_of_line < 0 else (end_of_line + 1, "")
    # A comment would go on a text of several lines that ends above it.
    dumped = as_yaml(new) if _COMMENT.match(text, at) is None else as_yaml(new, dumper=_Quoting)
    lines = dumped.splitlines(keepends=True)
    block = "".join(f"{' ' * column if line.strip() else ''}{line}" for line in lines)
    return _Edit(at, at, depth, _newlines(text, before + block))


def _newlines(text: str, new: str) -> str:
    return new.replace("\n", "\r\n") if "\r\n" in text else new


def _inline(new: Any) -> str:
    text: str = yaml.dump(new, Dumper=_Quoting, default_flow_style=True, sort_keys=False, width=10**6)
    return text.strip()


class _Composer(yaml.SafeLoader):  # type: ignore[misc]
    """Leaves an alias where it stands: a change to it would be one to the place that it names."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()
            return yaml.ScalarNode("alias", event.anchor, event.start_mark, event.end_mark)
        return super().compose_node(parent, index)


def _is_collection(node: Any) -> bool:
    return isinstance(node, (yaml.MappingNode, yaml.SequenceNode))


def _find(root: Any, path: Sequence[str], name: str) -> _Place:
    place, pointer = _Place(root, is_in_flow=False, column=0), f"{name}#"
    for part in path:
        found, pointer = _child(place, part), f"{pointer}/{escaped(part)}"
        if found is None:
            raise ContractError(pointer, "it stands elsewhere in the file, behind an alias: add to it by hand.")
        place = found
    node = place.node
    if node.tag == "alias" or not (_is_collection(node) or node.value in ("", "~", "null")):
        raise ContractError(pointer, "it is an alias, or neither an object nor a list: add to it by hand.")
    return place


def _child(place: _Place, part: str) -> _Place | None:
    node = place.node
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == part:
                return _Place(value, bool(node.flow_style), key.start_mark.column + 2)
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        return _Place(node.value[int(part)], bool(node.flow_style), node.start_mark.column + 2)
    return None


def _column(node: Any, text: str) -> int:
    """The column of the keys or dashes of a block. Its mark may be that of an anchor."""
    start = node.start_mark
    if text[start.index] in "&!":
        if isinstance(node, yaml.MappingNode):
            return int(node.value[0][0].start_mark.column)
        return len(text[start.index :].partition("\n")[2].partition("-")[0].rpartition("\n")[2])
    return int(start.column)


def _end(node: Any, text: str) -> int:
    """The end of a node's content. The mark of a block stands behind the comments after it."""
    while _is_collection(node) and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(node, yaml.MappingNode) else last
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        keeps = "+" in text[start:].partition("\n")[0].partition("#")[0]
        end = end - 1 if keeps else start + len(text[start:end].rstrip())
    return end
