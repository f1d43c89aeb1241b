"""Random expressions on random items, beside a naive evaluator of Python values; random tokens are answered or refused.

Trees are tuples such as `("<", ("path", "a", 0), ("value", Decimal(1)))`, from which text and outcome are made apart.
"""

from __future__ import annotations

import base64
import copy
import random
from collections.abc import Callable
from contextlib import suppress
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_sessionplugin.aws.dynamodb import paths, updates
from pytest_sessionplugin.aws.dynamodb.expressions import CONDITION, FILTER, PROJECTION, UPDATE, Expressions
from pytest_sessionplugin.aws.dynamodb.values import Refusal, Value, checked

pytestmark = pytest.mark.slow

STEADY = settings(derandomize=True, database=None, deadline=None, max_examples=100)

Naive = Any
"""Decimal, str, bytes, bool, None, list, dict, or a frozenset of one of the first three."""

ABSENT = object()
EXACT = Context(prec=400)
NAMES = ("a", "m", "l")
HIDDEN = {"a": "#a", "m": "#1", "l": "#_"}
"""Names that the text may hide behind placeholders."""


class Impossible(Exception):
    """The naive evaluator cannot store the outcome, or finds no place for it."""


# --- values in DynamoDB's JSON and back


def wire(value: Naive) -> Value:
    if isinstance(value, frozenset):
        kind = {Decimal: "NS", str: "SS", bytes: "BS"}[type(next(iter(value)))]
        return {kind: [next(iter(wire(each).values())) for each in value]}
    if isinstance(value, bool):
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, list):
        return {"L": list(map(wire, value))}
    if isinstance(value, dict):
        return {"M": {name: wire(each) for name, each in value.items()}}
    if isinstance(value, bytes):
        return {"B": base64.b64encode(value).decode()}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def turned(value: Value) -> Value:
    """The value with each set the other way round."""
    ((kind, held),) = value.items()
    if kind == "L":
        return {"L": list(map(turned, held))}
    if kind == "M":
        return {"M": {name: turned(each) for name, each in held.items()}}
    return {kind: held[::-1]} if kind in ("SS", "NS", "BS") else value


def naive(value: Value) -> Naive:
    ((kind, held),) = value.items()
    if kind in ("SS", "NS", "BS"):
        return frozenset(naive({kind[0]: each}) for each in held)
    read: dict[str, Callable[[Any], Any]] = {
        "N": Decimal,
        "B": base64.b64decode,
        "NULL": lambda _: None,
        "L": lambda elements: list(map(naive, elements)),
        "M": lambda members: {name: naive(each) for name, each in members.items()},
    }
    return read.get(kind, lambda held: held)(held)


def kind(value: Naive) -> str:
    return next(iter(wire(value)))


# --- the naive evaluator


def found(item: dict[str, Naive], path: tuple[Any, ...]) -> Naive:
    value: Naive = item
    for step in path:
        if isinstance(step, str):
            value = value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else ABSENT
    return value


def same(one: Naive, other: Naive) -> bool:
    if kind(one) != kind(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(same(left, right) for left, right in zip(one, other, strict=True))
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


def of(operand: tuple[Any, ...], item: dict[str, Naive]) -> Naive:
    if operand[0] == "value":
        return operand[1]
    if operand[0] == "path":
        return found(item, operand[1:])
    value = of(operand[1], item)  # size
    if value is ABSENT or isinstance(value, bool | Decimal) or value is None:
        return ABSENT
    return Decimal(len(value))


def less(one: Naive, other: Naive) -> bool | None:
    """Whether a value is smaller; None if the two have no order."""
    if ABSENT in (one, other) or kind(one) != kind(other) or kind(one) not in ("S", "N", "B"):
        return None
    return bool(one.encode() < other.encode() if isinstance(one, str) else one < other)


def holds(tree: tuple[Any, ...], item: dict[str, Naive]) -> bool:
    name, *operands = tree
    if name in ("AND", "OR", "NOT"):
        held = [holds(each, item) for each in operands]
        return all(held) if name == "AND" else any(held) if name == "OR" else not held[0]
    values = [of(each, item) for each in operands]
    first, second = values[0], values[-1]
    if name.startswith("attribute_"):
        if name == "attribute_type":
            return first is not ABSENT and kind(first) == second
        return (first is ABSENT) is (name == "attribute_not_exists")
    if name in ("=", "<>"):
        return (ABSENT not in values and same(first, second)) is (name == "=")
    if name == "IN":
        return first is not ABSENT and any(each is not ABSENT and same(first, each) for each in values[1:])
    if name == "BETWEEN":
        return less(first, values[1]) is False and less(second, first) is False
    if name in ("<", ">="):
        return less(first, second) is (name == "<")
    if name in (">", "<="):
        return less(second, first) is (name == ">")
    if ABSENT in values:
        return False
    if name == "begins_with":
        return kind(first) == kind(second) in ("S", "B") and bool(first.startswith(second))
    if isinstance(first, list):
        return any(same(each, second) for each in first)
    if isinstance(first, frozenset):
        return kind(first)[0] == kind(second) and second in first
    return kind(first) == kind(second) in ("S", "B") and second in first


# --- updates and projections, naively


def stored(number: Decimal) -> Decimal:
    if number and (number.adjusted() > 125 or abs(number) < Decimal("1E-130")):
        raise Impossible
    if len(number.normalize(EXACT).as_tuple().digits) > 38:
        raise Impossible
    return number


def assigned(tree: tuple[Any, ...], item: dict[str, Naive]) -> Naive:
    name, *operands = tree
    if name == "if_not_exists":
        value = found(item, operands[0][1:])
        return assigned(operands[1], item) if value is ABSENT else value
    if name in ("+", "-", "list_append"):
        one, other = (assigned(each, item) for each in operands)
        if {kind(one), kind(other)} != {"L" if name == "list_append" else "N"}:
            raise Impossible
        if name == "list_append":
            return one + other
        return stored(EXACT.add(one, other) if name == "+" else EXACT.subtract(one, other))
    value = of(tree, item)
    if value is ABSENT:
        raise Impossible
    return value


def joined(section: str, old: Naive, value: Naive) -> Naive:
    """The outcome of ADD or DELETE; ABSENT if none is left."""
    if old is ABSENT:
        return value if section == "ADD" else ABSENT
    if kind(old) != kind(value):
        raise Impossible
    if isinstance(value, Decimal):
        return stored(EXACT.add(old, value))
    return old | value if section == "ADD" else (old - value or ABSENT)


def changed(actions: list[tuple[Any, ...]], old: dict[str, Naive]) -> dict[str, Naive]:
    """All places are those of the old item: lists get holes first, and lose them at the end."""
    new = copy.deepcopy(old)
    outcomes = []
    for section, path, operand in actions:
        if section == "REMOVE":
            outcomes.append((path, ABSENT))
        elif section == "SET":
            outcomes.append((path, assigned(operand, old)))
        elif section == "ADD" or found(old, path) is not ABSENT:
            outcomes.append((path, joined(section, found(old, path), operand[1])))
    for path, value in outcomes:
        place = found(new, path[:-1])
        if isinstance(path[-1], str) and isinstance(place, dict):
            place[path[-1]] = value
        elif isinstance(path[-1], int) and isinstance(place, list):
            if value is not ABSENT or path[-1] < len(place):
                place.extend([ABSENT] * (path[-1] + 1 - len(place)))
                place[path[-1]] = value
        else:
            raise Impossible
    return {name: whole(value) for name, value in new.items() if value is not ABSENT}


def whole(value: Naive) -> Naive:
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items() if each is not ABSENT}
    return [whole(each) for each in value if each is not ABSENT] if isinstance(value, list) else value


def projected(value: Naive, chosen: list[tuple[Any, ...]]) -> Naive:
    """The parts of a value that the rests of paths lead to."""
    if () in chosen:
        return value
    if not isinstance(value, dict | list):
        return ABSENT
    below = {path[0]: [rest[1:] for rest in chosen if rest[0] == path[0]] for path in chosen}
    if isinstance(value, dict):
        members = ((name, projected(each, below[name])) for name, each in value.items() if name in below)
        return {name: each for name, each in members if each is not ABSENT} or ABSENT
    elements = (projected(each, below[at]) for at, each in enumerate(value) if at in below)
    return [each for each in elements if each is not ABSENT] or ABSENT


# --- text of a tree


class Writer:
    """Writes expressions with random white space, letters, parentheses and placeholders."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self.names: dict[str, str] = {}
        self.values: dict[str, Value] = {}

    def spaced(self, *tokens: str) -> str:
        return "".join(
            f"{self._random.choice(('', ' ', '  ', chr(10), chr(9), chr(13) + chr(10)))}{each}" for each in tokens
        )

    def word(self, word: str) -> str:
        return f" {self._random.choice((word, word.lower(), word.title()))} "

    def path(self, path: tuple[Any, ...]) -> str:
        tokens = [self._name(path[0])]
        for step in path[1:]:
            tokens += [".", self._name(step)] if isinstance(step, str) else ["[", str(step), "]"]
        return self.spaced(*tokens)

    def _name(self, name: str) -> str:
        if name not in HIDDEN or self._random.random() < 0.5:
            return name
        self.names[HIDDEN[name]] = name
        return HIDDEN[name]

    def operand(self, tree: tuple[Any, ...]) -> str:
        if tree[0] == "value":
            text = self.value(tree[1])
        elif tree[0] == "path":
            text = self.path(tree[1:])
        elif tree[0] in ("+", "-"):
            return self.spaced(self.operand(tree[1]), tree[0], self.operand(tree[2]))
        else:
            text = self.call(*tree)
        return self.spaced("(", text, ")") if self._random.random() < 0.1 else text

    def value(self, value: Naive) -> str:
        place = f":{len(self.values)}"
        self.values[place] = turned(checked(wire(value)))
        return place

    def call(self, name: str, *operands: tuple[Any, ...]) -> str:
        return self.spaced(name, "(", ",".join(map(self.operand, operands)), ")")

    def condition(self, tree: tuple[Any, ...]) -> str:
        name, *operands = tree
        if name == "NOT":
            return self.word("NOT") + self._enclosed(operands[0])
        if name in ("AND", "OR"):
            return self.word(name).join(map(self._enclosed, operands))
        if name == "BETWEEN":
            low, high = (self.operand(each) for each in operands[1:])
            return self.operand(operands[0]) + self.word("BETWEEN") + low + self.word("AND") + high
        if name == "IN":
            first, *choices = map(self.operand, operands)
            return first + self.word("IN") + self.spaced("(", ",".join(choices), ")")
        if name[0] in "<=>":
            return self.spaced(self.operand(operands[0]), name, self.operand(operands[1]))
        return self.call(name, *operands)

    def _enclosed(self, tree: tuple[Any, ...]) -> str:
        text = self.condition(tree)
        return self.spaced("(", text, ")") if tree[0] in ("AND", "OR", "NOT") or self._random.random() < 0.2 else text

    def update(self, actions: list[tuple[Any, ...]]) -> str:
        text = ""
        for section in self._random.sample(("SET", "REMOVE", "ADD", "DELETE"), 4):
            parts = []
            for _, path, operand in (each for each in actions if each[0] == section):
                if section == "SET":
                    parts.append(self.spaced(self.path(path), "=", self.operand(operand)))
                else:
                    parts.append(f"{self.path(path)} {'' if operand is None else self.value(operand[1])}")
            if parts:
                text += self.word(section) + self.spaced(",".join(parts))
        return text


# --- random values and trees

numbers = st.integers(-3, 3).map(Decimal) | st.sampled_from(["0.5", "1E+3", "9E125", "1E-130", "1" * 38]).map(Decimal)
texts = st.text("ab\u00e9", max_size=2)
binaries = st.binary(max_size=2)
pairs = st.sampled_from([frozenset({"a", "b"}), frozenset({Decimal(1), Decimal(2)}), frozenset({b"a", b"b"})])
sets = pairs | st.one_of(*(st.frozensets(each, min_size=1, max_size=3) for each in (numbers, texts, binaries)))
scalars = numbers | texts | binaries | st.booleans() | st.none() | sets
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=4,
)
items = st.dictionaries(st.sampled_from(NAMES), values, max_size=5)
steps = st.sampled_from(NAMES) | st.integers(0, 2)
places = st.tuples(st.sampled_from(NAMES), st.lists(steps, max_size=2)).map(lambda place: (place[0], *place[1]))

paths_read = places.map(lambda place: ("path", *place))
constants = values.map(lambda value: ("value", value))
ordered = (numbers | texts | binaries).map(lambda value: ("value", value))
sized = paths_read.map(lambda path: ("size", path))
bounds = st.one_of(*(st.tuples(each, each) for each in (numbers, texts, binaries)))


def in_order(pair: tuple[Naive, Naive]) -> tuple[Any, ...]:
    low, high = pair if not less(pair[1], pair[0]) else pair[::-1]
    return ("value", low), ("value", high)


prefixes = (texts | binaries).map(lambda value: ("value", value))
types = st.sampled_from(["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"]).map(lambda name: ("value", name))
tests = st.one_of(
    st.tuples(st.sampled_from(["=", "<>"]), paths_read | sized, constants | paths_read),
    st.tuples(st.sampled_from(["=", "<>"]), constants, paths_read | sized | constants),
    st.tuples(st.sampled_from(["<", "<=", ">", ">="]), paths_read | sized | ordered, paths_read | ordered | sized),
    st.tuples(st.just("BETWEEN"), paths_read | sized | ordered, paths_read, paths_read | ordered),
    st.tuples(paths_read | sized | ordered, bounds).map(lambda made: ("BETWEEN", made[0], *in_order(made[1]))),
    st.tuples(paths_read | constants, st.lists(constants | paths_read, min_size=1, max_size=3)).map(
        lambda made: ("IN", made[0], *made[1])
    ),
    st.tuples(st.sampled_from(["attribute_exists", "attribute_not_exists"]), paths_read),
    st.tuples(st.just("attribute_type"), paths_read, types),
    st.tuples(st.just("begins_with"), paths_read | prefixes, prefixes | paths_read),
    st.tuples(st.just("contains"), paths_read | constants, constants | paths_read),
).filter(lambda tree: tree[1][0] != "path" or tree[1] not in tree[2:] or tree[0] in ("IN", "BETWEEN"))
conditions = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["AND", "OR"]), inner, inner),
        st.tuples(st.sampled_from(["AND", "OR"]), inner, inner, inner),
        st.tuples(st.just("NOT"), inner),
    ),
    max_leaves=6,
)

lists = st.lists(scalars, max_size=2).map(lambda value: ("value", value))
summands = paths_read | numbers.map(lambda value: ("value", value))
with_default = st.tuples(st.just("if_not_exists"), paths_read, constants | paths_read)
right_sides = st.one_of(
    constants,
    paths_read,
    with_default,
    st.tuples(st.just("if_not_exists"), paths_read, with_default),
    st.tuples(st.sampled_from(["+", "-"]), summands, summands),
    st.tuples(st.just("list_append"), lists | paths_read, lists | paths_read),
)
actions = st.one_of(
    st.tuples(st.just("SET"), places, right_sides),
    st.tuples(st.just("REMOVE"), places, st.none()),
    st.tuples(st.just("ADD"), places, (numbers | sets).map(lambda value: ("value", value))),
    st.tuples(st.just("DELETE"), places, sets.map(lambda value: ("value", value))),
)
seeds = st.integers(0, 2**16)


def apart(chosen: list[tuple[Any, ...]]) -> bool:
    """Paths of which none leads through another, and none parts from another as map and list."""
    for at, one in enumerate(chosen):
        for other in chosen[:at]:
            common = next((n for n, (x, y) in enumerate(zip(one, other, strict=False)) if x != y), None)
            if common is None or type(one[common]) is not type(other[common]):
                return False
    return True


# --- claims


@settings(STEADY)
@given(item=items, tree=conditions, seed=seeds)
@example(item={}, tree=("<>", ("path", "a"), ("path", "m")), seed=0)
@example(item={"a": [frozenset({"a", "b"})]}, tree=("=", ("path", "a"), ("value", [frozenset({"b", "a"})])), seed=0)
@example(item={"a": frozenset({"1"})}, tree=("contains", ("path", "a"), ("value", Decimal(1))), seed=0)
def test_a_condition_holds_where_the_naive_evaluator_says_so(
    item: dict[str, Naive], tree: tuple[Any, ...], seed: int
) -> None:
    writer = Writer(seed)
    text = writer.condition(tree)
    expressions = Expressions(writer.names, writer.values)
    condition = expressions.condition(FILTER, text)
    expressions.check_used()
    assert condition is not None
    given_item = {name: checked(wire(value)) for name, value in item.items()}
    assert condition.holds(given_item, writer.values) is holds(tree, item), text


@settings(STEADY)
@given(item=items, chosen=st.lists(actions, min_size=1, max_size=4), seed=seeds)
@example(
    item={"a": Decimal(1), "m": Decimal(2)},
    chosen=[("SET", ("a",), ("path", "m")), ("SET", ("m",), ("path", "a"))],
    seed=0,
)
@example(
    item={"l": list(map(Decimal, range(5)))},
    chosen=[("REMOVE", ("l", 0), None), ("REMOVE", ("l", 2), None), ("REMOVE", ("l", 1), None)],
    seed=0,
)
@example(
    item={"l": [Decimal(0)]},
    chosen=[("SET", ("l", 3), ("value", "3")), ("SET", ("l", 2), ("value", "2")), ("REMOVE", ("l", 0), None)],
    seed=0,
)
def test_an_update_makes_the_item_that_the_naive_evaluator_makes(
    item: dict[str, Naive], chosen: list[tuple[Any, ...]], seed: int
) -> None:
    writer = Writer(seed)
    text = writer.update(chosen)
    expressions = Expressions(writer.names, writer.values)
    before = {name: checked(wire(value)) for name, value in item.items()}
    kept = copy.deepcopy(before)
    try:
        found_actions = expressions.update(text)
        assert found_actions is not None
        after = {name: naive(value) for name, value in updates.applied(found_actions, before, writer.values).items()}
    except Refusal as refused:
        if "Two document paths" in refused.message:
            assert not apart([path for _, path, _ in chosen]), text
            return
        after = None
    assert before == kept
    assert apart([path for _, path, _ in chosen]), text
    try:
        expected = changed(chosen, item)
    except Impossible:
        expected = None
    assert (after is None) is (expected is None), text
    assert after is None or same(after, expected), text


@settings(STEADY)
@given(item=items, chosen=st.lists(places, min_size=1, max_size=4).filter(apart), seed=seeds)
def test_a_projection_keeps_the_parts_that_the_naive_evaluator_keeps(
    item: dict[str, Naive], chosen: list[tuple[Any, ...]], seed: int
) -> None:
    writer = Writer(seed)
    text = ",".join(map(writer.path, chosen))
    found_paths = Expressions(writer.names, None).projection(text)
    assert found_paths is not None
    kept = paths.project({name: checked(wire(value)) for name, value in item.items()}, found_paths)
    expected = projected(item, chosen)
    assert same({name: naive(value) for name, value in kept.items()}, {} if expected is ABSENT else expected), text


TOKENS = (
    *("a", "b", "m.x", "l[0]", "name", "#a", "#x", ":n", ":s", ":l", ":x", "1", "0", "_", "!", "#", ":", "\u00e9", '"'),
    *("(", ")", "((", "))", "[", "]", ".", ",", "=", "<>", "<", "<=", ">", ">=", "+", "-", "\n", "\t"),
    *("AND", "OR", "NOT", "IN", "BETWEEN", "SET", "REMOVE", "ADD", "DELETE", "set", "and"),
    *(
        "size(",
        "contains(",
        "begins_with(",
        "attribute_exists(",
        "attribute_type(",
        "if_not_exists(",
        "list_append(",
        "f(",
    ),
)
soups = st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join)
SOUP_VALUES: dict[str, Value] = {":n": {"N": "1"}, ":s": {"S": "S"}, ":l": {"L": [{"N": "1"}]}}
SOUP_ITEM: dict[str, Value] = {
    "a": {"N": "1"},
    "b": {"S": "x"},
    "m": {"M": {"x": {"N": "2"}}},
    "l": {"L": [{"S": "y"}]},
}


@settings(STEADY, max_examples=200)
@given(text=soups | st.text(max_size=20) | st.lists(st.sampled_from("(a="), max_size=400).map("".join))
@example(text="a = " + "(" * 2000)
@example(text="SET a = " + "list_append(" * 250)
@example(text="NOT " * 1000 + "a = b")
@example(text="a" + "[0]" * 1300)
def test_any_text_is_answered_or_refused(text: str) -> None:
    def answer(kind: str, text: str) -> None:
        expressions = Expressions({"#a": "a"}, SOUP_VALUES)
        if kind == UPDATE:
            updates.applied(expressions.update(text) or (), SOUP_ITEM, SOUP_VALUES)
        elif kind == PROJECTION:
            paths.project(SOUP_ITEM, expressions.projection(text) or ())
        elif (condition := expressions.condition(kind, text)) is not None:
            condition.holds(SOUP_ITEM, SOUP_VALUES)

    for kind in (CONDITION, UPDATE, PROJECTION):
        for begin in ("", "SET a = ", "a = "):
            with suppress(Refusal):
                answer(kind, begin + text)
