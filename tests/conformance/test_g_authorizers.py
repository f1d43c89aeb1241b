"""Section G: authorizers of the REST API; Chalice's are functions that receive a token."""

from __future__ import annotations

import json

import pytest

from tests.conformance.answer import Answer
from tests.conformance.client import Client, new_name


def guarded(client: Client, token: str, path: str = "/guarded/one", method: str = "GET") -> Answer:
    return client.http(method, path, {"Authorization": token})


def routes(*paths: str) -> str:
    """A token that makes Chalice's AuthResponse from these arguments, unlike that of any other test."""
    return f"routes {json.dumps([*paths, '/' + new_name('unknown')])}"


def asked(client: Client) -> int:
    """Number of runs of the authorizer."""
    return int(client.http("GET", "/asked").json()["times"])


def invocation(answer: Answer) -> str:
    """The number of the authorizer's run on which this answer is based."""
    return str(answer.event["requestContext"]["authorizer"]["asked"])


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"X-Token": "this"}])
def test_g10_without_a_token_nobody_is_asked(whole: Client, headers: dict[str, str]) -> None:
    """The token's header missing or empty: 401, Unauthorized, and the authorizer does not run."""
    before = asked(whole)
    answer = whole.http("GET", "/guarded/one", headers)
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
    assert answer.error_type == "UnauthorizedException"
    assert asked(whole) == before


def test_g11_only_the_word_unauthorized_is_401(whole: Client) -> None:
    """An authorizer's error whose text is exactly Unauthorized is 401; any other is 500."""
    texts = ["Unauthorized", "unauthorized", "Unauthorized!", "Authorization failed"]
    assert [guarded(whole, f"raise {text}").status for text in texts] == [401, 500, 500, 500]


def test_g12_chalices_error_is_500_but_for_that_word(whole: Client) -> None:
    """UnauthorizedError with another text than that word is 500 too."""
    texts = ["Unauthorized", "Authorization failed"]
    assert [guarded(whole, f"unauthorized {text}").status for text in texts] == [401, 500]


def test_g13_what_no_statement_allows_is_403(whole: Client) -> None:
    """No matching Allow: 403, User is not authorized to access this resource; a Deny adds with an explicit deny."""
    silent, denied = guarded(whole, routes("/guarded/two")), guarded(whole, f"deny {new_name('g13')}")
    assert [(each.status, each.error_type) for each in (silent, denied)] == [(403, "AccessDeniedException")] * 2
    assert silent.said == "User is not authorized to access this resource"
    assert denied.said.startswith("User is not authorized to access this resource with an explicit deny")


def test_g14_an_allow_of_nothing_allows_nothing(whole: Client) -> None:
    """AuthResponse(routes=[]) is an Allow with an empty list of resources, and allows nothing."""
    assert guarded(whole, "routes []").status in (403, 500)


@pytest.mark.parametrize(
    "document",
    [
        "null",
        '"yes"',
        "{}",
        '{"principalId": "alice"}',
        '{"principalId": "alice", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}}',
    ],
)
def test_g15_what_is_no_policy_is_500(whole: Client, document: str) -> None:
    """A malformed answer of an authorizer is 500."""
    assert guarded(whole, f"return {document}").status == 500


def test_g16_an_answer_is_kept_for_300_seconds(whole: Client) -> None:
    """An authorizer's answer is cached for 300 s unless it says otherwise; with 0 s it runs each time."""
    token = routes("*")
    always = {invocation(guarded(whole, token, "/always-asked")) for _ in range(2)}
    assert len(always) == 2
    first = invocation(guarded(whole, token))
    assert invocation(guarded(whole, token)) == first
    whole.advance(290)
    assert invocation(guarded(whole, token)) == first
    whole.advance(20)
    assert invocation(guarded(whole, token)) != first


def test_g17_the_policy_is_kept_and_judges_each_method(whole: Client) -> None:
    """The policy is cached by the header's value: one that names only this method makes other methods 403."""
    token = f"this {new_name('g17')}"
    first = invocation(guarded(whole, token))
    before = asked(whole)
    assert guarded(whole, token, "/guarded/two").status == 403
    assert guarded(whole, token, method="PUT").status == 403
    assert invocation(guarded(whole, token)) == first
    assert asked(whole) == before
    assert guarded(whole, f"this {new_name('g17')}", "/guarded/two").status == 200  # another header value


def test_g18_a_route_with_a_parameter_matches_no_path(whole: Client) -> None:
    """AuthResponse(routes=["/x/{name}"]) names that path literally, and matches no other; /x/* does."""
    literal, wild = routes("/guarded/item/{name}"), routes("/guarded/item/*")
    assert [guarded(whole, token, "/guarded/item/a").status for token in (literal, wild)] == [403, 200]


def test_g19_a_star_is_everything_and_a_path_every_verb(whole: Client) -> None:
    """The route "*" allows every path and verb; a path allows every verb."""
    calls = [("GET", "/guarded/one"), ("PUT", "/guarded/one"), ("GET", "/guarded/two"), ("GET", "/guarded/item/a")]

    def statuses(token: str) -> list[int]:
        return [guarded(whole, token, path, method).status for method, path in calls]

    assert statuses(routes("*")) == [200] * 4
    assert statuses(routes("/guarded/one")) == [200, 200, 403, 403]


def test_g20_an_authorizer_is_given_the_value_of_one_header(whole: Client) -> None:
    """Chalice's authorizers are of the type TOKEN; the header is Authorization, or another that it names."""
    token = routes("*")
    for path, header, other in (
        ("/guarded/one", "Authorization", "X-Token"),
        ("/guarded/by-header", "X-Token", "Authorization"),
    ):
        event = whole.http("GET", path, {header: token}).event
        assert event["requestContext"]["authorizer"]["type"] == "TOKEN"
        assert whole.http("GET", path, {other: token}).status == 401


def test_g21_the_context_is_text_beside_the_principal(whole: Client) -> None:
    """The authorizer's context reaches the view as text, beside principalId; it may not hold objects."""
    authorizer = guarded(whole, routes("*")).event["requestContext"]["authorizer"]
    assert (authorizer["principalId"], authorizer["number"], authorizer["flag"]) == ("alice", "1", "true")
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    document = {
        "principalId": new_name("g21"),
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"nested": {"a": 1}},
    }
    assert guarded(whole, f"return {json.dumps(document)}").status == 500
