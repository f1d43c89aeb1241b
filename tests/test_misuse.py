"""A wrong call of the plugin is told from a bug of the plugin, and from errors that have nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sessionplugin import misuse
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.misuse import explanation
from pytest_sessionplugin.tokens.tokens import Tokens

TOKENS: Any = Tokens()
CALLS: Any = Calls()
FAULTS: Any = Faults()


class Own:
    name = 1


OWN: Any = Own()


def budget(allowed: object) -> None:
    with CALLS.at_most(dynamodb=allowed):
        pass


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: TOKENS.sing({}), "Did you mean sign? Tokens has claims, end_overlap, jwks, "),
        (lambda: TOKENS.public, "Did you mean public_key_pem? "),
        (lambda: TOKENS.sign.claims, "sign is a method: call it, as in sign().claims."),
        (lambda: TOKENS.sign(claim={}), "Did you mean claims? Tokens.sign() takes claims, key."),
        (lambda: TOKENS(), "Tokens() takes subject, expires_in=, **claims."),
        (lambda: TOKENS("alice", expires_in="soon"), "Tokens(): expires_in takes float, not str."),
        (lambda: TOKENS("alice", expires_in=True, exp="soon") + 1, ""),  # a boolean is a number to Python
        (lambda: TOKENS.sign("alice"), "Tokens.sign(): claims takes Mapping[str, Any], not str."),
        (lambda: CALLS.count(5), "Calls.count(): name takes str, not int."),
        (lambda: budget("1"), ""),  # the plugin itself refuses it, with a sentence
        (lambda: FAULTS.throttled(5), "Faults.throttled(): call takes str, not int."),
        (lambda: FAULTS.throttled("dynamodb", times="2"), ""),  # likewise
    ],
)
def test_a_wrong_call_is_explained(call: Callable[[], object], sentence: str) -> None:
    with pytest.raises((AttributeError, TypeError, ValueError)) as raised:
        call()
    assert explanation(raised.value).startswith(sentence)
    assert bool(explanation(raised.value)) == bool(sentence)


def test_a_value_that_is_not_json_is_explained() -> None:
    from pytest_sessionplugin.gateway.client.websocket import WebSocket

    socket: Any = object.__new__(WebSocket)
    with pytest.raises(TypeError) as raised:
        socket.send_json({1})
    assert explanation(raised.value).startswith("JSON has dict, list, str")


@pytest.mark.parametrize("call", [lambda: OWN.names, lambda: OWN(1), lambda: OWN + 1])
def test_an_error_of_the_test_is_not_explained(call: Callable[[], object]) -> None:
    with pytest.raises((AttributeError, TypeError)) as raised:
        call()
    assert explanation(raised.value) == ""


def test_a_bug_of_the_plugin_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens()
    monkeypatch.setattr(tokens, "_clock", lambda: None)
    with pytest.raises(TypeError) as raised:
        tokens("alice")
    assert explanation(raised.value) == ""


def test_an_error_without_a_line_of_a_test_is_not_explained() -> None:
    assert explanation(TypeError("Tokens.sign() got an unexpected keyword argument 'claim'")) == ""


def test_a_mismatch_of_scopes_lacks_the_lines_of_the_plugin() -> None:
    message = (
        "ScopeMismatch: You tried to access the function scoped fixture aws_calls with a module scoped request object. "
        "Requesting fixture stack:\ntest_it.py:89:  def shared(aws_calls)\nRequested fixture:\n"
        "../pytest_sessionplugin/plugin.py:272:  def aws_calls(_sessionplugin: 'LocalHarness') -> 'Calls'"
    )
    assert "plugin.py" not in misuse.of_scope(message)
    assert "aws_calls is made for each test" in misuse.of_scope(message)
    assert misuse.of_scope(message.replace("pytest_sessionplugin/plugin.py", "conftest.py")) == ""
    assert misuse.of_scope("ScopeMismatch") == ""
