"""Only `reveal` gives the text of a secret."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from pprint import pformat
from string import Template
from typing import Any

import pytest

from chalicelib.credentials import MASK, Secret, is_leaked_in

TEXT = "a-text-that-must-not-be-seen"


@dataclasses.dataclass(frozen=True)
class Holder:
    token: Secret


def logged(secret: Secret) -> str:
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "got %s and %r", (secret, {"token": secret}), None)
    return logging.Formatter("%(message)s").format(record)


def raised_with(secret: Secret) -> str:
    try:
        raise ValueError(secret)
    except ValueError as exc:
        return "".join(traceback.TracebackException.from_exception(exc, capture_locals=True).format())


SHOWN: dict[str, Callable[[Secret], str]] = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "format": lambda secret: f"{secret}",
    "format with a width": lambda secret: f"{secret:>40}",
    "format of its repr": lambda secret: f"{secret!r:.3}",
    "%s": lambda secret: "%s" % secret,  # noqa: UP031  a way to format it
    "%r": lambda secret: "%r" % (secret,),  # noqa: UP031  another one
    "Template": lambda secret: Template("$it").substitute(it=secret),
    "json with a default": lambda secret: json.dumps({"token": secret}, default=str),
    "in a list": lambda secret: str([secret]),
    "in a dataclass": lambda secret: str(Holder(secret)),
    "as a dataclass's dict": lambda secret: str(dataclasses.asdict(Holder(secret))),
    "pprint": pformat,
    "its copy": lambda secret: str(copy.copy(secret)) + str(copy.deepcopy(secret)),
    "a log line": logged,
    "a traceback with its locals": raised_with,
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_what_shows_it_shows_the_mask(show: Callable[[Secret], str]) -> None:
    assert TEXT not in show(Secret(TEXT))
    assert MASK[:3] in show(Secret(TEXT))


REFUSED: dict[str, Callable[[Any], object]] = {
    "json": json.dumps,
    "pickle": pickle.dumps,
    "joined": lambda secret: "".join([secret]),
    "added": lambda secret: "Bearer " + secret,
    "bytes": lambda secret: bytes(secret),
    "iterated": list,
    "vars": vars,
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=REFUSED)
def test_what_would_need_its_text_is_refused_without_it(use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError) as caught:
        use(Secret(TEXT))
    assert TEXT not in str(caught.value)


def test_reveal_gives_it() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_it_is_true_if_there_is_any_text() -> None:
    assert Secret(TEXT)
    assert not Secret("")


def test_it_equals_a_secret_of_the_same_text_and_nothing_else() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("another")
    assert Secret("ü\ud800") == Secret("ü\ud800")
    assert Secret(TEXT) != TEXT
    assert Secret(TEXT) != MASK
    assert {Secret(TEXT), Secret(TEXT)} == {Secret(TEXT)}


HEADER = "eyJhbGciOiJIUzI1NiJ9"


@pytest.mark.parametrize(
    "text",
    [
        *(
            f"{HEADER}.e30.c2ln",
            f"{HEADER}.e30.",
            f"{HEADER}..",
            f"a.b.{HEADER}.e30.c2ln.d",
            f"token_{HEADER}.e30.c2ln",
        ),
        *(f"Bearer {HEADER}.e30.c2ln", f"a,b:{HEADER}.e30.c2ln&c", "eyAiYWxnIjoiSFMyNTYifQ.e30.c2ln"),
        *("x=ewogImFsZyI6IkhTMjU2In0.e30.c2ln", "." * 9000 + f"{HEADER}.e30.c2ln", "a!" * 4000 + f"{HEADER}.e30.c2ln"),
    ],
    ids=lambda text: text[-40:],
)
def test_a_token_is_found_anywhere_in_a_text(text: str) -> None:
    assert is_leaked_in(text)


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c", "1.2.3", HEADER, f"{HEADER}.e30", f"{HEADER}.e 30.c2ln", "eyJ" * 3000, "a" * 10_000, "a." * 5000],
    ids=lambda text: text[:40],
)
def test_another_text_is_not_taken_for_a_token(text: str) -> None:
    assert not is_leaked_in(text)
