"""Mistakes in fixtures, marks and tokens."""

from __future__ import annotations

import pytest

from tests.harness.mistakes.kinds import InTest

ASYNCHRONOUS = [
    InTest(
        "asynchronous",
        "chalice_gateway",
        "assert chalice_gateway.get('/health').is_success",
        "async def functions are not natively supported",
        "clients are synchronous, so `def` is enough",
        "call of test_runs.py::test_asynchronous",
        before="async ",
    ),
][: pytest.version_tuple >= (8, 4)]  # older ones skip such a test

MISTAKES = [
    InTest(
        "fixture", "chalice_gatway", "pass", "'chalice_gatway' not found", "mean chalice_gateway?", "test_runs.py, line"
    ),
    *ASYNCHRONOUS,
    InTest(
        "no_argument",
        "",
        "chalice_gateway.get('/health')",
        "name 'chalice_gateway' is not defined",
        "chalice_gateway is a fixture: name it among the arguments of the test",
    ),
    # tokens
    InTest(
        "flaw",
        "bad_jwt",
        "pass",
        "there is no 'expird'",
        "there are expired",
        "setup of test_runs.py::test_flaw",
        before=("@pytest.mark.parametrize('bad_jwt', ['expird'], indirect=True)"),
    ),
    InTest(
        "expire_in",
        "jwt_tokens",
        'jwt_tokens("alice", expire_in=5)',
        "no argument 'expire_in'",
        "did you mean expires_in?",
    ),
    InTest("expires_in", "jwt_tokens", 'jwt_tokens("alice", expires_in="soon")', "not str", "expires_in takes float"),
    InTest("subject", "jwt_tokens", "jwt_tokens(5)", "not int", "the subject of a token is text"),
    InTest("sign", "jwt_tokens", 'jwt_tokens.sign("alice")', "not str", "claims takes Mapping[str, Any]"),
    InTest(
        "rotate",
        "jwt_tokens",
        "jwt_tokens.rotate()",
        "HS256 has one shared secret",
        "set algorithm to RS256 or ES256 in [tool.sessionplugin.tokens]",
    ),
    # marks and pytest
    InTest(
        "mark",
        "chalice_app",
        "pass",
        "has no fesh",
        "it has fresh, env",
        "@pytest.mark.chalice",
        "@pytest.mark.chalice(fesh=True)",
    ),
    InTest(
        "mark_without_a_name",
        "chalice_app",
        "pass",
        "takes keywords only",
        "as fresh=True",
        "@pytest.mark.chalice",
        "@pytest.mark.chalice(True)",
    ),
    InTest(
        "mark_fresh",
        "chalice_app",
        "pass",
        "not 'no'",
        "True or False",
        "@pytest.mark.chalice: fresh",
        "@pytest.mark.chalice(fresh='no')",
    ),
    InTest(
        "mark_allow",
        "chalice_app",
        "pass",
        "there is no open_socket",
        "there are open_sockets",
        "@pytest.mark.chalice: allow",
        "@pytest.mark.chalice(allow='open_socket')",
    ),
    InTest(
        "mark_isolation",
        "chalice_app",
        "pass",
        "there is no 'functions'",
        "there are app, function",
        "@pytest.mark.chalice: isolation",
        "@pytest.mark.chalice(isolation='functions')",
    ),
    InTest(
        "scope",
        "shared",
        "pass",
        "tried to access the function scoped fixture chalice_gateway with a module scoped request",
        "let the fixture that asks for it have the scope of a function",
        "def shared(chalice_gateway)",
        "@pytest.fixture(scope='module')\ndef shared(chalice_gateway): return chalice_gateway\n\n",
    ),
]
