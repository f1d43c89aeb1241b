"""Tokens, names, paths and values of PartiQL statements, and the words in which a statement is refused.

Sources: "PartiQL - a SQL-compatible query language for Amazon DynamoDB" in the developer guide, and the sources of
partiql-lang-kotlin; words of refusals as recorded from DynamoDB, or as in DynamoDB Local, which shares the service's
PartiQL code. Any other refusal names the statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.values import Refusal, Value, checked, kind_of

MALFORMED = "Statement wasn't well formed, can't be processed: "
DEEPEST = 100  # parentheses, NOTs and values in one another
JAVA_INT, MOST_DIGITS = 2**31, 20  # an exponent's range, and the length of a text that may be in it

SPACE = re.compile(r"(?:\s|--[^\n]*+|/\*.*?\*/)*+", re.DOTALL)
TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*+')
    | (?P<name>"(?:[^"]|\"\")*+")
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>[A-Za-z_$][A-Za-z0-9_$]*)
    | (?P<operator><<|>>|<>|!=|<=|>=|(?!/\*)[=<>(){}\[\],.:;*?+\-/%|])
    """,
    re.VERBOSE | re.ASCII,
)

INFIX = ("AND", "OR", "IS", "IN", "LIKE", "BETWEEN")
_WORDS = """
    ABSOLUTE ACTION ADD ALL ALLOCATE ALTER AND ANY ARE AS ASC ASSERTION AT AUTHORIZATION AVG BAG BEGIN BETWEEN BIT
    BIT_LENGTH BLOB BOOL BOOLEAN BY CASCADE CASCADED CASE CAST CATALOG CHAR CHARACTER CHARACTER_LENGTH CHAR_LENGTH
    CHECK CLOB CLOSE COALESCE COLLATE COLLATION COLUMN COMMIT CONFLICT CONNECT CONNECTION CONSTRAINT CONSTRAINTS
    CONTINUE CONVERT CORRESPONDING COUNT CREATE CROSS CURRENT CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP
    CURRENT_USER CURSOR DATE DATE_ADD DATE_DIFF DEALLOCATE DEC DECIMAL DECLARE DEFAULT DEFERRABLE DEFERRED DELETE
    DESC DESCRIBE DESCRIPTOR DIAGNOSTICS DISCONNECT DISTINCT DO DOMAIN DOUBLE DROP ELSE END ESCAPE EXCEPT
    EXCEPTION EXEC EXECUTE EXISTS EXTERNAL EXTRACT FALSE FETCH FIRST FLOAT FOR FOREIGN FOUND FROM FULL GET GLOBAL
    GO GOTO GRANT GROUP HAVING IDENTITY IMMEDIATE IN INDEX INDICATOR INITIALLY INNER INPUT INSENSITIVE INSERT INT
    INTEGER INTERSECT INTERVAL INTO IS ISOLATION JOIN KEY LANGUAGE LAST LEFT LET LEVEL LIKE LIMIT LIST LOCAL LOWER
    MATCH MAX MIN MISSING MODIFIED MODULE NAMES NATIONAL NATURAL NCHAR NEW NEXT NO NOT NOTHING NULL NULLIF NUMERIC
    OCTET_LENGTH OF OLD ON ONLY OPEN OPTION OR ORDER OUTER OUTPUT OVERLAPS PAD PARTIAL PIVOT POSITION PRECISION
    PREPARE PRESERVE PRIMARY PRIOR PRIVILEGES PROCEDURE PUBLIC READ REAL REFERENCES RELATIVE REMOVE RESTRICT
    RETURNING REVOKE RIGHT ROLLBACK ROWS SCHEMA SCROLL SECTION SELECT SESSION SESSION_USER SET SEXP SIZE SMALLINT
    SOME SPACE SQL SQLCODE SQLERROR SQLSTATE STRING STRUCT SUBSTRING SUM SYMBOL SYSTEM_USER TABLE TEMPORARY THEN
    TIME TIMESTAMP TO TRANSACTION TRANSLATE TRANSLATION TRIM TRUE TUPLE UNION UNIQUE UNKNOWN UNPIVOT UPDATE UPPER
    USAGE USER USING VALUE VALUES VARCHAR VARYING VIEW WHEN WHENEVER WHERE WITH WORK WRITE ZONE
"""
RESERVED = frozenset(_WORDS.split())
"""Keywords, which are names of attributes in double quotes alone. Source: LexerConstants of partiql-lang-kotlin."""


class Lexeme(NamedTuple):
    kind: str
    text: str
    start: int


class Reader:
    """The tokens of one statement, taken one after the other, and its parameters."""

    def __init__(self, text: str, parameters: Sequence[Value]) -> None:
        self._text, self._parameters = text, parameters
        self._used = 0  # parameters
        self._depth = 0
        self._at = 0
        self._tokens = list(_tokens(text))

    # --- tokens

    def _peek(self, ahead: int = 0) -> Lexeme:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else Lexeme("end", "", len(self._text))

    def _take(self) -> Lexeme:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, *texts: str) -> bool:
        """Whether an operator or a keyword comes next."""
        token = self._peek()
        return token.kind in ("operator", "word") and token.text.upper() in texts

    def _skip(self, *texts: str) -> bool:
        """Takes an operator or a keyword if it comes next."""
        if self._is(*texts):
            self._at += 1
            return True
        return False

    def _expect(self, *texts: str) -> str:
        if not self._is(*texts):
            raise self._unexpected(" or ".join(texts))
        return self._take().text.upper()

    def _position(self, token: Lexeme) -> str:
        """Line, column and length of a token, as messages end with them."""
        before = self._text[: token.start]
        return f"{before.count(chr(10)) + 1}:{token.start - before.rfind(chr(10))}:{len(token.text)}"

    def _end(self) -> None:
        """Raises Refusal for a token or a parameter that is left."""
        self._skip(";")
        if self._peek().kind != "end":
            raise self._leftover()
        if self._used != len(self._parameters):
            raise _count_of_parameters()

    # --- refusals

    def _leftover(self) -> Refusal:
        return Refusal(f"{MALFORMED}Unexpected token after expression")

    def _unexpected(self, wanted: str) -> Refusal:
        found = self._peek().text or "the end"
        return Refusal(f"{MALFORMED}Expected {wanted}, found {found} in the statement: {self._text}")

    def _no_term(self) -> Refusal:
        """Nothing that an operand or a condition can start with."""
        token = self._peek()
        word = token.text.upper() if token.kind == "word" else ""
        detail = "Unexpected operator" if word in INFIX else "Unexpected keyword" if word in RESERVED else None
        return Refusal(f"{MALFORMED}{detail or 'Unexpected term'}")

    def _refuse(self, reason: str, token: Lexeme | None = None) -> NoReturn:
        raise Refusal(reason if token is None else f"{reason} at {self._position(token)}")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Refusal(f"{MALFORMED}More than {DEEPEST} levels in the statement: {self._text}")

    # --- names

    def _name(self) -> str:
        token = self._peek()
        if token.kind == "name":
            return self._take().text[1:-1].replace('""', '"')
        if token.kind != "word" or token.text.upper() in RESERVED:
            raise self._no_term()
        return self._take().text

    def _path(self) -> DocumentPath:
        steps: list[str | int] = [self._name()]
        while self._is(".", "["):
            if self._take().text == ".":
                if self._is("*"):
                    self._refuse("Unpivot path component like a.*.b are not supported")
                steps.append(self._name())
                continue
            if self._is("*"):
                self._refuse("Wildcard path component like a[*].b are not supported")
            token = self._peek()
            if token.kind == "text":
                steps.append(_unquoted(self._take().text))
            elif token.kind == "number" and token.text.isdigit():
                if len(token.text) >= MOST_DIGITS or int(token.text) >= JAVA_INT:
                    self._refuse(f"List index is not within the allowable range; index: [{token.text}]")
                steps.append(int(self._take().text))
            else:
                raise self._unexpected("the position of an element")
            self._expect("]")
        return tuple(steps)

    # --- values

    def _value(self, at: str) -> Value:
        """A literal or a parameter. `at` is its place in the whole value: `root.a[1]`."""
        token = self._peek()
        if token.kind == "text":
            return {"S": _unquoted(self._take().text)}
        if token.kind == "number" or (self._is("+", "-") and self._peek(1).kind == "number"):
            sign = self._take().text if token.kind == "operator" else ""
            return _number(sign + self._take().text, at)
        if self._is("TRUE", "FALSE"):
            return {"BOOL": self._take().text.upper() == "TRUE"}
        if self._skip("NULL"):
            return {"NULL": True}
        if self._skip("?"):
            return self._parameter()
        if self._is("{"):
            return self._map(at)
        if self._skip("["):
            self._deeper()
            held: list[Value] = []
            while not self._skip("]"):
                if held:
                    self._expect(",")
                held.append(self._value(f"{at}[{len(held)}]"))
            self._depth -= 1
            return {"L": held}
        if self._skip("<<"):
            return self._bag(at)
        raise self._no_term()

    def _parameter(self) -> Value:
        if self._used >= len(self._parameters):
            raise _count_of_parameters()
        self._used += 1
        return self._parameters[self._used - 1]

    def _map(self, at: str) -> Value:
        """A map; with `at` empty an item, each of whose attributes is a whole value."""
        self._deeper()
        self._expect("{")
        held: dict[str, Value] = {}
        while not self._skip("}"):
            if held:
                self._expect(",")
            if self._peek().kind != "text":
                raise self._unexpected("a name in single quotes")
            name = _unquoted(self._take().text)
            if name in held:
                self._refuse(f"Duplicate keys in tuple. Key: {name} under {at or 'root'}")
            self._expect(":")
            held[name] = self._value(f"{at}.{name}") if at else checked(self._value("root"))
        self._depth -= 1
        return {"M": held}

    def _bag(self, at: str) -> Value:
        members: list[Any] = []
        while not self._skip(">>"):
            if members:
                self._expect(",")
            value = {} if self._is("?") else self._value(f"{at}[{len(members)}]")
            members.append(value)
            if not value or not value.keys() <= {"S", "N"} or value.keys() != members[0].keys():
                self._refuse("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags")
        if not members:
            self._refuse("Empty bags are not supported")
        kind = kind_of(members[0])
        return checked({f"{kind}S": [member[kind] for member in members]})


def _tokens(text: str) -> Iterator[Lexeme]:
    at = _after_space(text, 0)
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Refusal(MALFORMED)
        kind = str(match.lastgroup)
        yield Lexeme(kind, match[kind], at)
        at = _after_space(text, match.end())


def _after_space(text: str, at: int) -> int:
    """The position behind white space and comments."""
    space = SPACE.match(text, at)
    return space.end() if space is not None else at


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _number(text: str, at: str) -> Value:
    """The number in its one spelling. Raises Refusal, with no detail for what fits no Java decimal."""
    digits, _, exponent = text.lower().partition("e")
    power = int(exponent or 0) if len(exponent) < MOST_DIGITS else JAVA_INT
    if abs(power) >= JAVA_INT or len(digits.partition(".")[2]) - power >= JAVA_INT:
        raise Refusal(MALFORMED)
    try:
        return checked({"N": text})
    except Refusal as refusal:
        raise Refusal(f"{refusal.message} under {at}") from refusal


def _count_of_parameters() -> Refusal:
    return Refusal("Number of parameters in request and statement don't match.")
