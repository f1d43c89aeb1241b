"""Grammar of PartiQL statements: a text and its parameters become a statement of trees that expressions use too.

Sources: "PartiQL - a SQL-compatible query language for Amazon DynamoDB" in the developer guide; words of refusals as
recorded from DynamoDB, or as in DynamoDB Local, which shares the service's PartiQL code. Any other refusal names the
statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_sessionplugin.aws.dynamodb import paths
from pytest_sessionplugin.aws.dynamodb.conditions import (
    COMPARATORS,
    OPERANDS,
    ORDERS,
    Attribute,
    Between,
    Comparison,
    Condition,
    Constant,
    Either,
    Every,
    FunctionCall,
    Membership,
    Not,
    Operand,
    Test,
    known,
)
from pytest_sessionplugin.aws.dynamodb.expressions import MOST_CHOICES
from pytest_sessionplugin.aws.dynamodb.literals import MALFORMED, RESERVED, Lexeme, Reader
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.updates import Action, Arithmetic
from pytest_sessionplugin.aws.dynamodb.values import SCALARS, SETS, TYPES, Item, Refusal, Value, checked, kind_of

KIND = "WHERE"
CLAUSES = ("GROUP", "HAVING", "LIMIT")
KINDS = {
    "NULL": "NULL",
    "BOOLEAN": "BOOL",
    "BLOB": "B",
    "STRING": "S",
    "NUMERIC": "N",
    "STRUCT": "M",
    "TUPLE": "M",
    "LIST": "L",
}
"""Type of IS -> type of a value."""
SETTERS = {"SET_ADD": "ADD", "SET_DELETE": "DELETE"}


@dataclass(frozen=True)
class Select:
    table: str
    index: str | None
    columns: tuple[DocumentPath, ...] | None  # None for all
    where: Condition | None
    order: Mapping[str, bool]  # attribute -> whether it descends


@dataclass(frozen=True)
class Insert:
    table: str
    item: Item


@dataclass(frozen=True)
class Update:
    table: str
    actions: tuple[Action, ...]
    where: Condition | None
    returning: tuple[str, str] | None  # ALL or MODIFIED, OLD or NEW


@dataclass(frozen=True)
class Delete:
    table: str
    where: Condition | None
    returning: tuple[str, str] | None


@dataclass(frozen=True)
class Exists:
    """The check of a condition in a transaction."""

    select: Select


PartiqlStatement = Select | Insert | Update | Delete | Exists


def parse(text: str, parameters: Sequence[Value] = ()) -> PartiqlStatement:
    """The statement, with its parameters in their places. Raises Refusal."""
    return _StatementParser(text, parameters).whole()


def column(path: DocumentPath) -> str:
    """The name of a column: `a.b[1]` is shown as `b[1]`."""
    last = max(at for at, step in enumerate(path) if isinstance(step, str))
    return str(path[last]) + "".join(f"[{step}]" for step in path[last + 1 :])


class _StatementParser(Reader):
    """Recursive descent over the tokens of one statement."""

    def whole(self) -> PartiqlStatement:
        statements: Mapping[str, Callable[[], PartiqlStatement]] = {
            "SELECT": self._select,
            "INSERT": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "EXISTS": self._exists,
        }
        word = self._peek().text.upper() if self._peek().kind == "word" else ""
        if word not in statements:
            raise Refusal(f"{MALFORMED}Expected data manipulation")
        self._take()
        statement = statements[word]()
        self._end()
        return statement

    # --- statements

    def _select(self) -> Select:
        if self._is("DISTINCT"):
            self._refuse("Unsupported token in expression: DISTINCT")
        if self._is("VALUE", "PIVOT"):
            self._refuse("Select projection doesn't support value or pivot keywords")
        columns = self._columns()
        self._expect("FROM")
        if self._peek().kind == "end":
            raise self._no_term()
        table, index, _ = self._source()
        if self._is(",", "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS"):
            self._refuse("Only select from a single table or index is supported.")
        self._check_alias()
        where = self._where()
        self._check_clauses()
        order: dict[str, bool] = {}
        if self._skip("ORDER"):
            self._expect("BY")
            self._ordered(order)
            while self._skip(","):
                self._ordered(order)
        self._check_clauses()
        return Select(table, index, columns, where, order)

    def _ordered(self, order: dict[str, bool]) -> None:
        name = self._name()
        order[name] = self._is("ASC", "DESC") and self._take().text.upper() == "DESC"

    def _check_clauses(self) -> None:
        if self._is(*CLAUSES):
            clause = self._take().text.upper()
            if clause == "GROUP" and self._skip("BY"):
                clause = "GROUP BY"
            self._refuse(f"Unsupported clause: {clause}", self._peek())

    def _columns(self) -> tuple[DocumentPath, ...] | None:
        if self._skip("*"):
            if self._is(","):
                self._refuse("Other attributes should not be present in the projection when '*' is used.")
            return None
        found = [self._column()]
        while self._skip(","):
            if self._is("*"):
                self._refuse("Other attributes should not be present in the projection when '*' is used.")
            found.append(self._column())
        names = [column(path) for path in found]
        for at, name in enumerate(names):
            if name in names[:at]:
                self._refuse(f"Duplicate identifiers in select clause: {name}")
        return tuple(found)

    def _column(self) -> DocumentPath:
        token = self._peek()
        is_call = token.kind == "word" and self._peek(1).text == "("
        if is_call or token.kind in ("text", "number") or self._is("?", "{", "[", "<<", "-", "NULL", "TRUE", "FALSE"):
            self._refuse("Unexpected path component", token)
        path = self._path()
        if self._is("+", "-"):
            self._refuse(f"Unsupported operation: {self._peek().text}", self._peek())
        self._check_alias()
        return path

    def _source(self) -> tuple[str, str | None, Lexeme]:
        """Table, index, and the token of the table."""
        token = self._peek()
        table, index = self._component(), None
        if self._skip("."):
            index = self._component()
            if self._is("."):
                self._refuse("A path may contain at most 2 components in the FROM clause")
        return table, index, token

    def _component(self) -> str:
        name = self._name()
        if not name:
            self._refuse("Path component cannot be an empty string")
        return name

    def _check_alias(self) -> None:
        """Raises Refusal for a name behind a table or a column."""
        token = self._peek()
        if self._is("AS") or token.kind == "name" or (token.kind == "word" and token.text.upper() not in RESERVED):
            self._refuse("Aliasing is not supported")

    def _insert(self) -> Insert:
        self._expect("INTO")
        table, index, token = self._source()
        if index is not None:
            self._refuse("FROM clause may only contain a single table name in data manipulation statements", token)
        if self._is("<<", "VALUES"):
            self._refuse(
                "Unsupported operation: Inserting multiple items in a single statement is not supported, use "
                '"INSERT INTO tableName VALUE item" instead'
            )
        if not self._skip("VALUE"):
            raise self._leftover()
        if not self._is("{"):
            self._refuse(
                "Unsupported format in item expression. Please use struct format {...} to express item values for "
                "insert statement."
            )
        item: Item = self._map("")["M"]
        if self._is("RETURNING"):
            self._refuse("RETURNING is not supported in INSERT")
        return Insert(table, item)

    def _update(self) -> Update:
        table, index, _ = self._source()
        self._check_alias()
        if not self._is("SET", "REMOVE"):
            raise Refusal(f"{MALFORMED}Expected data manipulation")
        actions: list[Action] = []
        while self._is("SET", "REMOVE"):
            if self._take().text.upper() == "REMOVE":
                actions.append(Action("REMOVE", self._path()))
                continue
            actions.append(self._assignment())
            while self._skip(","):
                actions.append(self._assignment())
        where = self._where()
        returning = self._returning()
        self._check_no_index(index)
        if (overlap := paths.overlapping([action.path for action in actions])) is not None:
            one, other = (f"[{paths.words(path)}]" for path in overlap)
            self._refuse(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; "
                f"path one: {one}, path two: {other}"
            )
        return Update(table, tuple(actions), where, returning)

    def _delete(self) -> Delete:
        self._expect("FROM")
        if self._peek().kind not in ("name", "word") or self._is("WHERE"):
            raise Refusal(f"{MALFORMED}Expected identifier for simple path")
        table, index, _ = self._source()
        self._check_alias()
        where = self._where()
        returning = self._returning()
        self._check_no_index(index)
        if returning is not None and returning != ("ALL", "OLD"):
            clause = " ".join(returning)
            self._refuse(
                f"Invalid returning clause: RETURNING {clause} *. Only RETURNING ALL OLD * is allowed in DELETE "
                "statements."
            )
        return Delete(table, where, returning)

    def _check_no_index(self, index: str | None) -> None:
        if index is not None:
            self._refuse("This operation is not supported on an index")

    def _exists(self) -> Exists:
        self._expect("(")
        self._expect("SELECT")
        select = self._select()
        self._expect(")")
        return Exists(select)

    def _returning(self) -> tuple[str, str] | None:
        if not self._skip("RETURNING"):
            return None
        chosen = self._expect("ALL", "MODIFIED"), self._expect("OLD", "NEW")
        if not self._skip("*"):
            self._refuse("Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause")
        return chosen

    # --- assignments

    def _assignment(self) -> Action:
        path = self._path()
        self._expect("=")
        token = self._peek()
        if token.text.upper() not in SETTERS or self._peek(1).text != "(":
            return Action("SET", path, self._sum())
        self._take()
        function, arguments = token.text.upper(), self._arguments()
        if len(arguments) != 2:
            self._refuse(f"{function} must have exactly two arguments", token)
        if arguments[0] != Attribute(path):
            self._refuse(f"The first argument to {function} must equal the assignment value", token)
        value = known(arguments[1], {})
        if value is None or kind_of(value) not in SETS:
            self._refuse(f"The second argument to {function} must be a value with type SET", token)
        return Action(SETTERS[function], path, arguments[1])

    def _arguments(self) -> tuple[Operand, ...]:
        self._expect("(")
        found = [self._sum()]
        while self._skip(","):
            found.append(self._sum())
        self._expect(")")
        return tuple(found)

    def _sum(self) -> Operand:
        left = self._term()
        if self._is("+", "-"):
            return Arithmetic(self._take().text, left, self._term())
        return left

    def _term(self) -> Operand:
        token = self._peek()
        if token.kind != "word" or self._peek(1).text != "(":
            return self._operand()
        if token.text.upper() != "LIST_APPEND":
            known_elsewhere = token.text.lower() in (*OPERANDS, "size") or token.text.upper() in SETTERS
            kind = "Unsupported operator in Update Expression. Operator" if known_elsewhere else "Unrecognized function"
            self._refuse(f"{kind}: {token.text}", token)
        self._deeper()
        self._take()
        call = FunctionCall("list_append", self._arguments())
        self._depth -= 1
        return call

    # --- conditions

    def _where(self) -> Condition | None:
        return self._condition() if self._skip("WHERE") else None

    def _condition(self) -> Condition:
        found = [self._conjunction()]
        while self._skip("OR"):
            self._check_right_side()
            found.append(self._conjunction())
        return found[0] if len(found) == 1 else Either(tuple(found))

    def _conjunction(self) -> Condition:
        found = [self._negation()]
        while self._skip("AND"):
            self._check_right_side()
            found.append(self._negation())
        return found[0] if len(found) == 1 else Every(tuple(found))

    def _check_right_side(self) -> None:
        if self._peek().kind == "end":
            raise Refusal(f"{MALFORMED}Missing right-hand side expression of infix operator")

    def _negation(self) -> Condition:
        if not self._skip("NOT"):
            return self._primary()
        self._deeper()
        negated = Not(self._negation())
        self._depth -= 1
        return negated

    def _primary(self) -> Condition:
        if self._skip("("):
            self._deeper()
            condition = self._condition()
            self._expect(")")
            self._depth -= 1
            return condition
        if self._peek().kind == "word" and self._peek(1).text == "(" and not self._is("SIZE"):
            return self._test()
        left = self._operand(with_size=True)
        if self._is("!=", *COMPARATORS):
            comparator = self._take().text
            right = self._operand(with_size=True)
            if comparator in ORDERS:
                _check_ordered(comparator, left, right)
            return Comparison("<>" if comparator == "!=" else comparator, left, right)
        if self._skip("IS"):
            return self._kind_test(left)
        negated = self._is("NOT") and self._peek(1).text.upper() in ("IN", "BETWEEN") and self._skip("NOT")
        condition = self._membership(left) if self._skip("IN") else self._between(left)
        return Not(condition) if negated else condition

    def _between(self, operand: Operand) -> Condition:
        if not self._skip("BETWEEN"):
            if self._is("+", "-", "*", "/", "%", "|", "LIKE"):
                token = self._peek()
                self._refuse(f"Unsupported operator in Condition Expression. Operator: {token.text}", token)
            self._refuse("WHERE clause must contain an expression that resolves to a boolean")
        low = self._operand(with_size=True)
        self._expect("AND")
        high = self._operand(with_size=True)
        _check_ordered("BETWEEN", low, high)
        return _checked(Between(operand, low, high))

    def _membership(self, operand: Operand) -> Condition:
        if not self._is("(", "["):
            self._refuse(
                "IN operator must have a left hand argument of type Variable Reference and right hand argument of "
                "type Seq with at least one member"
            )
        closing = ")" if self._take().text == "(" else "]"
        choices = [self._operand()]
        while self._skip(","):
            choices.append(self._operand())
        self._expect(closing)
        if len(choices) > MOST_CHOICES:
            self._refuse(f"Too many operands for the IN operator; number of operands: {len(choices)}")
        return Membership(operand, tuple(choices))

    def _kind_test(self, operand: Operand) -> Condition:
        negated = self._skip("NOT")
        if self._skip("MISSING"):
            test = Test("attribute_not_exists", (operand,))
        elif self._is(*KINDS):
            test = Test("attribute_type", (operand, Constant({"S": KINDS[self._take().text.upper()]})))
        else:
            raise Refusal(f"{MALFORMED}Expected type name")
        return Not(test) if negated else test

    def _test(self) -> Condition:
        token = self._take()
        function = token.text.lower()
        if function not in OPERANDS:
            self._refuse(f"Unrecognized function: {token.text}", token)
        self._expect("(")
        operands = [self._operand()]
        while self._skip(","):
            operands.append(self._operand())
        self._expect(")")
        if len(operands) != OPERANDS[function]:
            self._refuse(
                f"Incorrect number of operands for operator or function; operator or function: {function}, "
                f"number of operands: {len(operands)}"
            )
        if function == "attribute_type":
            _check_type_name(operands[1])
        return _checked(Test(function, tuple(operands)))

    # --- operands

    def _operand(self, *, with_size: bool = False) -> Operand:
        token = self._peek()
        if with_size and self._is("SIZE") and self._peek(1).text == "(":
            self._at += 2
            path = self._path()
            self._expect(")")
            return FunctionCall("size", (Attribute(path),))
        if self._is("MISSING"):
            self._refuse("MISSING must be compared using IS operator")
        if token.kind == "name" or (token.kind == "word" and not self._is("TRUE", "FALSE", "NULL")):
            return Attribute(self._path())
        return Constant(checked(self._value("root")))


# --- operands of conditions


def _check_ordered(operator: str, *operands: Operand) -> None:
    for operand in operands:
        if (value := known(operand, {})) is not None and kind_of(value) not in SCALARS:
            raise Refusal(
                f"Incorrect operand type for operator or function; operator or function: {operator}, "
                f"operand type: {kind_of(value)}"
            )


def _check_type_name(operand: Operand) -> None:
    name = (known(operand, {}) or {}).get("S")
    if name is not None and name not in TYPES:
        raise Refusal(f"Invalid attribute type name found; type: {name}, valid types: {{N,BS,L,B,NULL,M,S,SS,NS,BOOL}}")


def _checked(condition: Condition) -> Condition:
    with bare(KIND):
        condition.check(KIND, {})
    return condition


@contextmanager
def bare(kind: str) -> Iterator[None]:
    """Takes the name of an expression out of refusals: a statement has one condition, which has no name."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(refusal.message.removeprefix(f"Invalid {kind}: "), refusal.code) from refusal
