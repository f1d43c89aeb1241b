"""One tokenizer and one grammar for the five kinds of expression. A text is parsed once for its placeholders' names.

Source: "Using expressions in DynamoDB" in the developer guide; words of refusals as recorded from DynamoDB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from pytest_sessionplugin.aws.dynamodb import paths
from pytest_sessionplugin.aws.dynamodb.conditions import (
    COMPARATORS,
    OPERANDS,
    Attribute,
    Between,
    Comparison,
    Condition,
    Either,
    Every,
    FunctionCall,
    Membership,
    Not,
    Operand,
    Placeholder,
    Test,
    Values,
)
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.reserved_words import RESERVED
from pytest_sessionplugin.aws.dynamodb.updates import Action, Arithmetic, check_operands
from pytest_sessionplugin.aws.dynamodb.values import DEEPEST, Refusal

LONGEST = 4096  # bytes of an expression
MOST_OPERATORS = 300  # and functions
MOST_CHOICES = 100  # operands of IN

UPDATE, PROJECTION = "UpdateExpression", "ProjectionExpression"
CONDITION, FILTER, KEY_CONDITION = "ConditionExpression", "FilterExpression", "KeyConditionExpression"

TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<placeholder>[#:][A-Za-z0-9_]+)|(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<number>0|[1-9][0-9]*)"
    r"|(?P<operator><>|<=|>=|[=<>()\[\],.+\-])|(?P<unknown>[^ \t\r\n]))"
)
SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")
KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN", *SECTIONS})
"""Words that are never names. Source, and of the grammar: the expressions' grammar in AWS's clients of DAX."""

FUNCTIONS = {**OPERANDS, "size": 1}
SETTERS = frozenset({"if_not_exists", "list_append"})
NESTED = frozenset({"size", "if_not_exists"})
"""Functions that may be operands of others."""

REDUNDANT = "The expression has redundant parentheses;"
RANKS = {"function": 0, "use": 1, "reserved": 2, "name": 3, "value": 3, "count": 4}
UPDATE_RANKS = {"reserved": 0, "function": 1, "use": 2, "section": 3, "name": 4, "value": 5, "paths": 6}
"""Faults of an expression without a syntax error, in the order in which DynamoDB looks for them."""

Simple = Attribute | Placeholder | FunctionCall
Node = Condition | Simple


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Parsed:
    """An expression: its tree, and the placeholders that it uses."""

    tree: Any
    names: frozenset[str]
    values: frozenset[str]


class Expressions:
    """The expressions of one request, whose placeholders must all be defined and used. Names are `#name` -> name."""

    def __init__(self, names: Mapping[str, str] | None, values: Values | None) -> None:
        self.values = values or {}
        self._names = names or {}
        self._key = tuple(sorted(self._names.items())) if names else ()
        self._used_names: set[str] = set()
        self._used_values: set[str] = set()

    def condition(self, kind: str, text: str | None) -> Condition | None:
        """A condition, filter or key condition. Raises Refusal."""
        tree: Condition | None = self._parsed(kind, text)
        if tree is not None:
            tree.check(kind, self.values)
        return tree

    def update(self, text: str | None) -> tuple[Action, ...] | None:
        """The actions of an update. Raises Refusal."""
        actions: tuple[Action, ...] | None = self._parsed(UPDATE, text)
        if actions is not None:
            check_operands(actions, self.values)
        return actions

    def projection(self, text: str | None) -> tuple[DocumentPath, ...] | None:
        chosen: tuple[DocumentPath, ...] | None = self._parsed(PROJECTION, text)
        return chosen

    def _parsed(self, kind: str, text: str | None) -> Any:
        if text is None:
            return None
        if len(text.encode()) > LONGEST:
            raise Refusal(
                f"Invalid {kind}: Expression size has exceeded the maximum allowed size; "
                f"expression size: {len(text.encode())}"
            )
        parsed = _parse(kind, text, self._key, frozenset(self.values))
        self._used_names |= parsed.names
        self._used_values |= parsed.values
        return parsed.tree

    def check_used(self) -> None:
        """Raises Refusal for a placeholder that no expression has used."""
        for what, given, used in (
            ("ExpressionAttributeNames", self._names, self._used_names),
            ("ExpressionAttributeValues", self.values, self._used_values),
        ):
            if unused := [name for name in given if name not in used]:
                raise Refusal(f"Value provided in {what} unused in expressions: keys: {{{', '.join(unused)}}}")


@lru_cache(2048)
def _parse(kind: str, text: str, names: tuple[tuple[str, str], ...], values: frozenset[str]) -> Parsed:
    parser = _Parser(kind, text, dict(names), values)
    tree = parser.whole()
    return Parsed(tree, frozenset(parser.used_names), frozenset(parser.used_values))


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, kind: str, text: str, names: Mapping[str, str], values: frozenset[str]) -> None:
        self._kind, self._text, self._names, self._values = kind, text, names, values
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self._operators = 0
        self._depth = 0
        self._closed: dict[int, int] = {}  # position of a parenthesis -> of the one that closes it
        self._ranks = UPDATE_RANKS if kind in (UPDATE, PROJECTION) else RANKS
        self._faults: list[tuple[int, Refusal]] = []
        self._at = 0
        self._tokens = _tokens(text)
        if not self._tokens:
            raise self._error("The expression can not be empty;")

    def whole(self) -> Any:
        grammars: Mapping[str, Callable[[], Any]] = {UPDATE: self._update, PROJECTION: self._projection}
        tree = grammars.get(self._kind, self._whole_condition)()
        if self._at < len(self._tokens):
            raise self._syntax_error()
        if self._faults:
            raise min(self._faults, key=lambda fault: fault[0])[1]
        return tree

    # --- faults

    def _error(self, reason: str) -> Refusal:
        return Refusal(f"Invalid {self._kind}: {reason}")

    def _syntax_error(self) -> Refusal:
        if self._at >= len(self._tokens):
            return self._error(f'Syntax error; token: "<EOF>", near: "{self._tokens[-1].text}"')
        before, behind = self._tokens[max(0, self._at - 1)], self._tokens[min(len(self._tokens) - 1, self._at + 1)]
        near = self._text[before.start : behind.end]
        return self._error(f'Syntax error; token: "{self._tokens[self._at].text}", near: "{near}"')

    def _note(self, fault: str, reason: str) -> None:
        """Keeps a fault for the end: an error of syntax goes before it, wherever that is."""
        self._faults.append((self._ranks[fault], self._error(reason)))

    def _count(self) -> None:
        self._operators += 1
        if self._operators > MOST_OPERATORS:
            raise self._error(
                f"The expression contains too many operators; the most that are allowed: {MOST_OPERATORS}"
            )

    # --- tokens

    def _peek(self, ahead: int = 0) -> Token:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else Token("end", "", 0, 0)

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1].text

    def _is(self, *texts: str) -> bool:
        """Whether one of these operators or keywords comes next."""
        kind, text, *_ = self._peek()
        return (kind == "operator" and text in texts) or (kind == "keyword" and text.upper() in texts)

    def _skip(self, *texts: str) -> bool:
        """Takes an operator or keyword if it comes next."""
        if self._is(*texts):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise self._syntax_error()

    def _open(self) -> None:
        """Takes a parenthesis. More of them than operators could never all be needed."""
        self._at += 1
        self._depth += 1
        if self._depth > MOST_OPERATORS:
            raise self._error(REDUNDANT)

    def _close(self, opened: int) -> None:
        self._expect(")")
        self._depth -= 1
        closed = self._closed[opened] = self._at - 1
        if self._closed.get(opened + 1) == closed - 1:
            raise self._error(REDUNDANT)

    # --- operands

    def _name(self) -> str:
        kind, text, *_ = self._peek()
        if kind == "placeholder" and text[0] == "#":
            self.used_names.add(text)
            if text not in self._names:
                self._note(
                    "name",
                    f"An expression attribute name used in the document path is not defined; attribute name: {text}",
                )
            self._at += 1
            return self._names.get(text, text)
        if kind != "word":
            raise self._syntax_error()
        if text.upper() in RESERVED:
            self._note("reserved", f"Attribute name is a reserved keyword; reserved keyword: {text}")
        return self._take()

    def _path(self) -> DocumentPath:
        steps: list[str | int] = [self._name()]
        while self._is(".", "["):
            if self._take() == ".":
                steps.append(self._name())
            else:
                if self._peek().kind != "number":
                    raise self._syntax_error()
                steps.append(int(self._take()))
                self._expect("]")
        if len(steps) > DEEPEST:
            self._note("name", f"The document path has too many nesting levels; nesting levels: {len(steps)}")
        return tuple(steps)

    def _placeholder(self) -> Placeholder:
        kind, name, *_ = self._peek()
        if kind != "placeholder" or name[0] != ":":
            raise self._syntax_error()
        self.used_values.add(name)
        if name not in self._values:
            self._note(
                "value", f"An expression attribute value used in expression is not defined; attribute value: {name}"
            )
        return Placeholder(self._take())

    def _operand(self) -> Simple:
        opened = self._at
        while self._is("("):
            self._open()
        first = self._at
        found = self._simple()
        for at in range(first - 1, opened - 1, -1):
            self._close(at)
        return found

    def _simple(self) -> Simple:
        kind, text, *_ = self._peek()
        if kind == "placeholder" and text[0] == ":":
            return self._placeholder()
        if kind == "word" and self._peek(1).text == "(":
            return self._call()
        return Attribute(self._path())

    # --- functions

    def _call(self) -> FunctionCall:
        self._count()
        function = self._take()
        operands = self._operands()
        kind = "an update" if self._kind == UPDATE else "a condition"
        if function not in FUNCTIONS and function not in SETTERS:
            self._note("function", f"Invalid function name; function: {function}")
        elif (function in SETTERS) is not (self._kind == UPDATE):
            self._note("use", f"The function is not allowed in {kind} expression; function: {function}")
        elif self._kind != UPDATE and len(operands) != FUNCTIONS[function]:
            self._note(
                "count",
                f"Incorrect number of operands for operator or function; operator or function: {function}, "
                f"number of operands: {len(operands)}",
            )
        self._check_nested(operands)
        return FunctionCall(function, operands)

    def _operands(self) -> tuple[Simple, ...]:
        self._expect("(")
        found = [self._operand()]
        while self._skip(","):
            found.append(self._operand())
        self._expect(")")
        return tuple(found)

    def _check_nested(self, operands: Iterable[Simple]) -> None:
        for operand in operands:
            if isinstance(operand, FunctionCall) and operand.function not in NESTED:
                self._note_use(operand)

    def _note_use(self, call: FunctionCall) -> None:
        self._note(
            "use", f"The function is not allowed to be used this way in an expression; function: {call.function}"
        )

    # --- conditions

    def _whole_condition(self) -> Condition:
        return self._condition_of(self._alternatives())

    def _alternatives(self) -> Node:
        """A condition with its OR and AND; in parentheses also a mere operand. Few frames, since 300 may be nested."""
        either: list[Condition] = []
        while True:
            node = self._single()
            if self._is("AND"):
                every: list[Condition] = []
                _add(every, self._condition_of(node), Every)
                while self._skip("AND"):
                    self._count()
                    _add(every, self._condition_of(self._single()), Every)
                node = Every(tuple(every))
            if not either and not self._is("OR"):
                return node
            _add(either, self._condition_of(node), Either)
            if not self._skip("OR"):
                return Either(tuple(either))
            self._count()

    def _single(self) -> Node:
        """A condition without OR and AND, or a mere operand."""
        denials = 0
        while self._skip("NOT"):
            self._count()
            denials += 1
        opened = self._at
        if self._is("("):
            self._open()
            node = self._alternatives()
            self._close(opened)
        else:
            node = self._simple()
        if isinstance(node, Simple):
            node = self._compared(node)
        for _ in range(denials):
            node = Not(self._condition_of(node))
        return node

    def _condition_of(self, node: Node) -> Condition:
        if not isinstance(node, Simple):
            return node
        if not isinstance(node, FunctionCall):
            raise self._syntax_error()
        if node.function == "size":
            self._note_use(node)
        return Test(node.function, node.operands)

    def _compared(self, left: Simple) -> Node:
        if self._is(*COMPARATORS):
            self._count()
            comparator, right = self._take(), self._operand()
            self._check_nested((left, right))
            return Comparison(comparator, left, right)
        if self._skip("BETWEEN"):
            self._count()
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            self._check_nested((left, low, high))
            return Between(left, low, high)
        if self._skip("IN"):
            self._count()
            choices = self._operands()
            self._check_nested((left, *choices))
            if len(choices) > MOST_CHOICES:
                self._note(
                    "count", f"The IN operator is provided with too many operands; number of operands: {len(choices)}"
                )
            return Membership(left, choices)
        return left

    # --- updates

    def _update(self) -> tuple[Action, ...]:
        actions: list[Action] = []
        sections: set[str] = set()
        while self._at < len(self._tokens):
            if not self._is(*SECTIONS):
                raise self._syntax_error()
            section = self._take().upper()
            if section in sections:
                self._note("section", f'The "{section}" section can only be used once in an update expression;')
            sections.add(section)
            actions.append(self._action(section))
            while self._skip(","):
                actions.append(self._action(section))
        self._check_paths([action.path for action in actions])
        return tuple(actions)

    def _action(self, section: str) -> Action:
        path = self._path()
        if section == "SET":
            self._expect("=")
            return Action(section, path, self._sum())
        return Action(section, path, self._placeholder() if section != "REMOVE" else None)

    def _sum(self) -> Operand:
        """An operand, or two with an operator, which parentheses may enclose; an operand has only its own."""
        opened = self._at
        if self._is("("):
            self._open()
            left = self._sum()
            self._close(opened)
            if isinstance(left, Arithmetic):
                return left
        else:
            left = self._simple()
        if not self._is("+", "-"):
            return left
        self._count()
        operator, right = self._take(), self._operand()
        self._check_nested(each for each in (left, right) if isinstance(each, Simple))
        return Arithmetic(operator, left, right)

    # --- projections

    def _projection(self) -> tuple[DocumentPath, ...]:
        chosen = [self._path()]
        while self._skip(","):
            chosen.append(self._path())
        self._check_paths(chosen)
        return tuple(chosen)

    def _check_paths(self, chosen: list[DocumentPath]) -> None:
        for fault, found in (("overlap", paths.overlapping(chosen)), ("conflict", paths.conflicting(chosen))):
            if found is not None:
                one, other = (f"[{paths.words(path)}]" for path in found)
                self._note(
                    "paths",
                    f"Two document paths {fault} with each other; must remove or rewrite one of these paths; "
                    f"path one: {one}, path two: {other}",
                )


def _add(conditions: list[Condition], condition: Condition, joined: type[Every]) -> None:
    """Adds a condition, or those of one that is joined in the same way: `(a OR b) OR c` is not nested."""
    if type(condition) is joined:
        conditions.extend(condition.conditions)
    else:
        conditions.append(condition)


def _tokens(text: str) -> list[Token]:
    found = []
    for match in TOKEN.finditer(text):
        kind = str(match.lastgroup)
        held = match[kind]
        if kind == "word" and held.upper() in KEYWORDS:
            kind, place = "keyword", match.span("word")
        else:
            place = match.span(kind)
        found.append(Token(kind, held, *place))
    return found
