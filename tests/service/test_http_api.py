"""The HTTP API behind the gateway: its promises beyond the lifecycle, and its refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import Gateway, HandshakeRefused
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

NOWHERE = "/sessions/" + "a" * 26
RETRIES = {"1", "2", "3", "4", "5"}  # seconds


@pytest.fixture
def create(alice: HttpClient) -> Callable[..., dict[str, Any]]:
    def created(**body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = alice.post("/sessions", json=body).json()
        return answer

    return created


@pytest.fixture
def everything(dynamodb_tables: Tables) -> Callable[[], list[Any]]:
    """All items of all tables."""
    return lambda: [dynamodb_tables[name].scan()["Items"] for name in ("Sessions", "Connections", "Events")]


class TestConditionalRequests:
    def test_what_the_client_has_is_not_sent_again(self, alice: HttpClient, create: Callable[..., Any]) -> None:
        path = f"/sessions/{create()['sessionId']}"
        unchanged = alice.get(path, headers={"If-None-Match": '"1"'})
        assert (unchanged.status_code, unchanged.text, unchanged.headers["ETag"]) == (304, "", '"1"')
        alice.patch(path, json={"title": "x"})
        assert alice.get(path, headers={"If-None-Match": '"1"'}).status_code == 200

    def test_a_change_of_another_version_is_refused(self, alice: HttpClient, create: Callable[..., Any]) -> None:
        path = f"/sessions/{create()['sessionId']}"
        assert alice.patch(path, json={"title": "x"}, headers={"If-Match": '"1"'}).status_code == 200
        for tag in ('"1"', '"2-ended"', '"x"', "2", '"02"', 'W/"2"'):
            stale = alice.patch(path, json={"title": "y"}, headers={"If-Match": tag})
            assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch"), tag
        assert alice.patch(path, json={"title": "y"}, headers={"If-Match": "*"}).json()["version"] == 3

    @pytest.mark.parametrize("if_match", [{}, {"If-Match": '"1"'}])
    def test_a_patch_to_what_an_ended_session_is_succeeds_and_any_other_is_refused(
        self, alice: HttpClient, create: Callable[..., Any], if_match: dict[str, str]
    ) -> None:
        path = f"/sessions/{create(title='Standup')['sessionId']}"
        assert alice.patch(path, json={"status": "ended"}, headers=if_match).status_code == 200
        for body in ({"status": "ended"}, {}, {"title": "Standup"}, {"status": "ended", "metadata": {"a": None}}):
            again = alice.patch(path, json=body, headers=if_match)
            assert (again.status_code, again.headers["ETag"], again.json()["status"]) == (200, '"2"', "ended")
        for body in ({"status": "active"}, {"title": "x"}, {"status": "ended", "metadata": {"a": 1}}):
            refused = alice.patch(path, json=body, headers=if_match)
            assert (refused.status_code, refused.json()["code"]) == (409, "session_ended")

    def test_all_lines_of_if_match_are_one_list(self, alice: HttpClient, create: Callable[..., Any]) -> None:
        path = f"/sessions/{create()['sessionId']}"
        for version, tags in ((1, ('"1"', '"9"')), (2, ('"9"', '"2"'))):
            lines = [("If-Match", tag) for tag in tags]
            assert alice.patch(path, json={"title": f"x{version}"}, headers=lines).json()["version"] == version + 1
        assert alice.delete(path, headers=[("If-Match", '"1"'), ("If-Match", '"2"')]).status_code == 412
        assert alice.delete(path, headers=[("If-Match", '"9"'), ("If-Match", '"3"')]).status_code == 204

    def test_a_change_of_what_must_not_be_there_is_refused(
        self, alice: HttpClient, create: Callable[..., Any], chalice_gateway: Gateway, jwt_tokens: Tokens
    ) -> None:
        path, nothing = f"/sessions/{create()['sessionId']}", {"If-None-Match": "*"}
        for answer in (alice.patch(path, json={"title": "x"}, headers=nothing), alice.delete(path, headers=nothing)):
            assert (answer.status_code, answer.json()["code"]) == (412, "version_mismatch")
        assert alice.delete(NOWHERE, headers=nothing).status_code == 404
        assert chalice_gateway.http(token=jwt_tokens("bob")).delete(path, headers=nothing).status_code == 403
        assert alice.get(path).json()["version"] == 1

    def test_more_versions_than_can_be_compared_are_refused(
        self, alice: HttpClient, create: Callable[..., Any]
    ) -> None:
        path = f"/sessions/{create()['sessionId']}"
        tags = {"If-Match": ", ".join(f'"{version}"' for version in range(1, 102))}
        for answer in (alice.patch(path, json={"title": "x"}, headers=tags), alice.delete(path, headers=tags)):
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    def test_merge_patch_is_a_media_type_of_its_own(self, alice: HttpClient, create: Callable[..., Any]) -> None:
        path = f"/sessions/{create(title='x', metadata={'a': 1, 'b': 2})['sessionId']}"
        content = json.dumps({"title": None, "metadata": {"a": None}}).encode()
        answer = alice.patch(path, content=content, headers={"Content-Type": "application/merge-patch+json"})
        assert (answer.json()["title"], answer.json()["metadata"]) == (None, {"b": 2})


class TestIdempotency:
    def test_a_repeated_create_makes_one_session(self, alice: HttpClient, everything: Callable[[], Any]) -> None:
        key = {"Idempotency-Key": "k-1"}
        first = alice.post("/sessions", json={"title": "x"}, headers=key)
        assert "Idempotency-Replayed" not in first.headers
        path = f"/sessions/{first.json()['sessionId']}"
        alice.patch(path, json={"status": "paused"})
        again = alice.post("/sessions", json={"title": "x"}, headers=key)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
        assert again.json() == alice.get(path).json(), "the session as it is now"
        assert again.headers["Location"] == first.headers["Location"]
        assert len(everything()[0]) == 1

    def test_a_key_used_for_another_body_is_refused(self, alice: HttpClient, everything: Callable[[], Any]) -> None:
        alice.post("/sessions", json={"title": "x"}, headers={"Idempotency-Key": "k-1"})
        other = alice.post("/sessions", json={"title": "y"}, headers={"Idempotency-Key": "k-1"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        assert len(everything()[0]) == 1

    def test_a_key_is_its_owners(self, alice: HttpClient, chalice_gateway: Gateway, jwt_tokens: Tokens) -> None:
        bob = chalice_gateway.http(token=jwt_tokens("bob"))
        key = {"Idempotency-Key": "k-1"}
        made = [client.post("/sessions", json={}, headers=key).json() for client in (alice, bob)]
        assert [one["ownerId"] for one in made] == ["alice", "bob"]


class TestList:
    def test_pages_lead_through_the_callers_own_newest_first(
        self, alice: HttpClient, create: Callable[..., Any], chalice_gateway: Gateway, jwt_tokens: Tokens
    ) -> None:
        made = [create(title=str(i)) for i in range(5)]
        chalice_gateway.http(token=jwt_tokens("bob")).post("/sessions", json={"title": "bob's"})
        listed: list[Any] = []
        cursor = None
        for size in (2, 2, 1):
            page = alice.get("/sessions", params={"limit": "2", **({"cursor": cursor} if cursor else {})}).json()
            assert len(page["sessions"]) == size
            listed += page["sessions"]
            cursor = page["nextCursor"]
        assert cursor is None
        newest_first = sorted(made, key=lambda one: (one["createdAt"], one["sessionId"]), reverse=True)
        assert {one["sessionId"] for one in listed} == {one["sessionId"] for one in made}
        assert [one["createdAt"] for one in listed] == [one["createdAt"] for one in newest_first]
        assert "metadata" not in listed[0]

    def test_one_status_is_picked(self, alice: HttpClient, create: Callable[..., Any]) -> None:
        paused, active = create(), create()
        alice.patch(f"/sessions/{paused['sessionId']}", json={"status": "paused"})
        for status, session in (("paused", paused), ("active", active)):
            page = alice.get("/sessions", params={"status": status}).json()
            assert [one["sessionId"] for one in page["sessions"]] == [session["sessionId"]]
        assert alice.get("/sessions", params={"status": "ended"}).json() == {"sessions": [], "nextCursor": None}

    def test_a_status_of_a_later_version_is_shown_as_paused_and_breaks_nothing(
        self,
        alice: HttpClient,
        create: Callable[..., Any],
        chalice_gateway: Gateway,
        jwt_tokens: Tokens,
        dynamodb_tables: Tables,
    ) -> None:
        """As in a rolling deploy, in which both versions run."""
        odd, other = create(title="odd"), create()
        dynamodb_tables["Sessions"].update_item(
            Key={"sessionId": odd["sessionId"]},
            UpdateExpression="SET #status = :locked",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":locked": "locked"},
        )
        path, params = f"/sessions/{odd['sessionId']}", {"sessionId": odd["sessionId"]}
        listed = {one["sessionId"]: one["status"] for one in alice.get("/sessions").json()["sessions"]}
        assert listed == {odd["sessionId"]: "paused", other["sessionId"]: "active"}
        assert len(alice.get("/sessions", params={"status": "paused"}).json()["sessions"]) == 1
        assert alice.get(path).json()["status"] == "paused"
        with chalice_gateway.websocket("/", params=params, token=jwt_tokens("bob")) as bob:
            bob.send_json({"action": "publish", "data": 1})
            bob.expect(type="error", code="session_paused")
            assert alice.patch(path, json={"title": "x"}).json()["status"] == "paused"
            bob.expect(type="session.updated")
            assert alice.delete(path).status_code == 204
            bob.expect(type="session.ended")

    def test_a_cursor_of_somebody_else_is_refused(
        self, alice: HttpClient, create: Callable[..., Any], chalice_gateway: Gateway, jwt_tokens: Tokens
    ) -> None:
        create(), create()
        cursor = alice.get("/sessions", params={"limit": "1"}).json()["nextCursor"]
        bob = chalice_gateway.http(token=jwt_tokens("bob"))
        assert bob.get("/sessions", params={"cursor": cursor}).status_code == 400

    @pytest.mark.parametrize(
        "params",
        [
            *({"limit": limit} for limit in ("0", "-1", "x", "101", "", "1.5", "\u0661")),
            *({"cursor": cursor} for cursor in ("x", "", "AAAA", "é", "a" * 1000)),
            {"status": "done"},
            {"stauts": "paused"},
            {"": "1"},
        ],
        ids=str,
    )
    def test_what_a_list_cannot_mean_is_refused(self, alice: HttpClient, params: dict[str, str]) -> None:
        answer = alice.get("/sessions", params=params)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


class TestBadInput:
    @pytest.mark.parametrize(
        "content",
        [
            *(b"", b"{", b"[]", b'"text"', b"1", b"null", b"\xff\xfe", b"{} {}"),
            *(b'{"metadata":{"a":0e9999999999999999999}}', b'{"metadata":{"a":1e-9999999999999999999}}'),
            *(b'{"metadata":{"a":NaN}}', b'{"metadata":{"a":1e400}}', b'{"metadata":{"a":' + b"9" * 39 + b"}}"),
            *(b'{"title":"a","title":"b"}', b'{"title":"\\ud800"}', b'{"metadata":{"\\udc00":1}}'),
            *(b'{"metadata":' + b'{"a":' * 20 + b"1" + b"}" * 21, b"[" * 50_000),
            *(b'{"owner":"mallory"}', b'{"ownerId":"mallory"}', b'{"version":9}', b'{"seq":9}'),
            *(b'{"title":1}', b'{"title":["a"]}', b'{"metadata":[]}', b'{"metadata":"x"}'),
            b'{"metadata":{"a":"' + b"x" * 4096 + b'"}}',
            b'{"title":"' + b"x" * 201 + b'"}',
        ],
        ids=lambda content: repr(content[:24]),
    )
    def test_a_bad_body_is_refused_and_changes_nothing(
        self, alice: HttpClient, create: Callable[..., Any], everything: Callable[[], Any], content: bytes
    ) -> None:
        path = f"/sessions/{create(title='x', metadata={'a': 1})['sessionId']}"
        before = everything()
        for answer in (
            alice.patch(path, content=content, headers={"Content-Type": "application/json"}),
            *(
                [alice.post("/sessions", content=content, headers={"Content-Type": "application/json"})]
                if content
                else ()
            ),
        ):
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["requestId"]
        assert everything() == before

    @pytest.mark.chalice(allow="off_contract")  # its body is not JSON, but what API Gateway makes of it is
    def test_what_is_not_utf_8_is_replaced_before_the_service_sees_it(self, alice: HttpClient) -> None:
        """API Gateway turns bodies into text, and puts U+FFFD for each byte that it cannot read."""
        body = {"Content-Type": "application/json"}
        for title, kept in ((b"a\xffb", "a\ufffdb"), ("a\ufffdb".encode(), "a\ufffdb")):
            answer = alice.post("/sessions", content=b'{"title":"' + title + b'"}', headers=body)
            assert (answer.status_code, answer.json()["title"]) == (201, kept)

    def test_an_oversized_body_is_refused(self, alice: HttpClient, everything: Callable[[], Any]) -> None:
        answer = alice.post("/sessions", content=b'{"title":"x"' + b" " * 65_536 + b"}")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert everything() == [[], [], []]

    @pytest.mark.parametrize("sent", ["text/plain", "application/xml", "application/octet-stream", "image/png"])
    def test_another_media_type_is_refused(self, alice: HttpClient, everything: Callable[[], Any], sent: str) -> None:
        answer = alice.post("/sessions", content=b"{}", headers={"Content-Type": sent})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert everything() == [[], [], []]

    @pytest.mark.parametrize(
        "session_id",
        [
            "a",
            "A" * 26,
            "a" * 27,
            "%23",
            "a%20b",
            "connection%23x",
            "%2Fetc",
            "..",
            "a" * 2000,
            "%C3%A9" * 26,
            "1" * 26,
        ],
    )
    def test_what_is_no_id_is_not_found(self, alice: HttpClient, session_id: str) -> None:
        for answer in (
            alice.get(f"/sessions/{session_id}"),
            alice.patch(f"/sessions/{session_id}", json={"title": "x"}),
            alice.delete(f"/sessions/{session_id}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")

    def test_an_id_of_ten_thousand_characters_is_refused(self, alice: HttpClient) -> None:
        assert alice.get("/sessions/" + "a" * 10_000).status_code in (403, 404, 414)

    @pytest.mark.parametrize("key", ["a b", "k" * 256, "é"])
    def test_a_bad_idempotency_key_is_refused(self, alice: HttpClient, everything: Callable[[], Any], key: str) -> None:
        assert alice.post("/sessions", json={}, headers={"Idempotency-Key": key}).status_code == 400
        assert everything() == [[], [], []]

    def test_two_idempotency_keys_are_refused(self, alice: HttpClient, everything: Callable[[], Any]) -> None:
        for keys in (("a", "b"), ("a", "a")):
            lines = [("Idempotency-Key", key) for key in keys]
            assert alice.post("/sessions", json={}, headers=lines).status_code == 400
        assert everything() == [[], [], []]


class TestCredentials:
    def test_two_authorizations_are_refused(self, chalice_gateway: Gateway, jwt_tokens: Tokens) -> None:
        anyone, good = chalice_gateway.http(), ("Authorization", f"Bearer {jwt_tokens('alice')}")
        assert anyone.get("/sessions", headers=[good]).status_code == 200
        for lines in ([good, good], [good, ("Authorization", "Basic eDp5")], [("authorization", "Bearer x"), good]):
            assert anyone.get("/sessions", headers=lines).json()["code"] == "unauthenticated"

    def test_a_token_in_the_query_is_refused_even_beside_a_good_one(
        self, alice: HttpClient, create: Callable[..., Any], jwt_tokens: Tokens
    ) -> None:
        path = f"/sessions/{create()['sessionId']}"
        for params in ({"token": jwt_tokens("alice")}, {"x": f"Bearer {jwt_tokens('bob')}"}, {jwt_tokens("alice"): ""}):
            for answer in (
                *(alice.get(path, params=params), alice.get("/sessions", params=params)),
                *(alice.post("/sessions", json={}, params=params), alice.delete(path, params=params)),
                alice.patch(path, json={"title": "x"}, params=params),
            ):
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert alice.get(path).json()["version"] == 1

    @pytest.mark.parametrize("name", ["token", "Authorization", "access_token", "session", "jwt"])
    def test_a_cookie_does_not_authenticate(
        self, chalice_gateway: Gateway, create: Callable[..., Any], jwt_tokens: Tokens, name: str
    ) -> None:
        session_id = create()["sessionId"]
        for cookie in (f"{name}={jwt_tokens('alice')}", f"{name}=Bearer {jwt_tokens('alice')}"):
            anyone = chalice_gateway.http()
            for answer in (
                anyone.get("/sessions", headers={"Cookie": cookie}),
                anyone.delete(f"/sessions/{session_id}", headers={"Cookie": cookie}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
                assert "Set-Cookie" not in answer.headers
            with pytest.raises(HandshakeRefused) as refused:
                chalice_gateway.websocket("/", params={"sessionId": session_id}, headers={"Cookie": cookie})
            assert refused.value.status_code == 401


class TestApiGatewaysOwnAnswers:
    """As a stage has them: .chalice/gateway.json is what deployment/gateway_responses.py makes."""

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/nowhere"), ("PUT", "/sessions"), ("HEAD", NOWHERE), ("GET", "/sessions/a/b")]
    )
    def test_a_path_or_method_that_is_not_there_is_404_with_a_token_and_without(
        self, chalice_gateway: Gateway, alice: HttpClient, method: str, path: str
    ) -> None:
        for client in (chalice_gateway.http(), alice):
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
            assert answer.headers["X-Correlation-Id"] == answer.headers["x-amzn-RequestId"]
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            if method != "HEAD":
                problem = answer.json()
                assert (problem["status"], problem["code"]) == (404, "no_such_route")
                assert problem["requestId"] == answer.headers["x-amzn-RequestId"]
                assert "SHA-256" not in answer.text, "API Gateway's own sentence hashes the token"

    def test_a_function_that_exceeds_its_own_timeout_is_unavailable(
        self, alice: HttpClient, aws_faults: Faults
    ) -> None:
        with aws_faults.timed_out("api_handler"):
            answer = alice.get("/sessions")
        assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (502, "unavailable", "1")


class TestRefusalsForBrowsers:
    def test_every_answer_may_be_read_by_any_page(self, chalice_gateway: Gateway, alice: HttpClient) -> None:
        for answer in (alice.post("/sessions", json={}), alice.get(NOWHERE), chalice_gateway.http().get("/sessions")):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            exposed = answer.headers["Access-Control-Expose-Headers"].split(",")
            assert {"ETag", "Location", "Retry-After", "Idempotency-Replayed"} <= set(exposed)
            assert {"x-amzn-Remapped-WWW-Authenticate", "X-Correlation-Id"} <= set(exposed)

    def test_every_answer_is_of_this_moment_over_https_alone_and_in_no_frame(
        self, chalice_gateway: Gateway, alice: HttpClient, create: Callable[..., Any]
    ) -> None:
        anyone, path = chalice_gateway.http(), f"/sessions/{create()['sessionId']}"
        for answer in (
            *(alice.get(NOWHERE), alice.get("/sessions"), alice.get(path), alice.post("/sessions", content=b"x")),
            *(alice.get(path, headers={"If-None-Match": "*"}), alice.delete(path)),
            *(anyone.get("/sessions"), anyone.get("/health"), anyone.get("/health/ready")),
        ):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            assert answer.headers["X-Correlation-Id"]

    def test_a_page_may_name_the_correlation_id(self, alice: HttpClient) -> None:
        allowed = alice.options("/sessions").headers["Access-Control-Allow-Headers"]
        assert "X-Correlation-Id" in allowed.split(",")

    def test_a_problem_carries_the_id_under_which_api_gateway_knows_the_request(self, alice: HttpClient) -> None:
        answer = alice.get(NOWHERE)
        assert answer.json()["requestId"] == answer.headers["x-amzn-RequestId"]

    def test_a_preflight_allows_what_the_api_takes(self, chalice_gateway: Gateway) -> None:
        answer = chalice_gateway.http().options(NOWHERE)
        assert answer.status_code == 200
        allowed = set(answer.headers["Access-Control-Allow-Headers"].split(","))
        assert {"Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"} <= allowed
        assert {"GET", "PATCH", "DELETE"} <= set(answer.headers["Access-Control-Allow-Methods"].split(","))


class TestTablesThatDoNotAnswer:
    @pytest.mark.parametrize("fault", ["throttled", "unreachable"])
    def test_a_request_is_told_to_come_back(
        self, alice: HttpClient, create: Callable[..., Any], aws_faults: Faults, fault: str
    ) -> None:
        path = f"/sessions/{create()['sessionId']}"
        with getattr(aws_faults, fault)("dynamodb"):
            for answer in (
                alice.post("/sessions", json={}),
                alice.get("/sessions"),
                alice.get(path),
                alice.patch(path, json={"title": "x"}),
                alice.patch(path, json={"metadata": {"a": 1}}),
                alice.delete(path),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert answer.headers["Retry-After"] in RETRIES
        assert alice.get(path).json()["version"] == 1, "and nothing was changed"

    def test_a_change_that_is_written_stays_when_nobody_can_be_told(
        self, alice: HttpClient, create: Callable[..., Any], aws_faults: Faults, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = f"/sessions/{create()['sessionId']}"
        with aws_faults.throttled("dynamodb:Query"):
            changed = alice.patch(path, json={"title": "x"}, headers={"If-Match": '"1"'})
            ended = alice.delete(path)
        assert (changed.status_code, changed.json()["version"], ended.status_code) == (200, 2, 204)
        assert alice.get(path).json()["status"] == "ended"

    def test_why_a_part_did_not_answer_is_in_the_log_alone(
        self, alice: HttpClient, aws_faults: Faults, caplog: pytest.LogCaptureFixture
    ) -> None:
        with aws_faults.throttled("dynamodb"):
            answer = alice.get(NOWHERE)
        assert "ProvisionedThroughputExceeded" in caplog.text or "Throttling" in caplog.text
        assert "Throughput" not in answer.text
        assert answer.json()["requestId"] in {getattr(record, "request_id", "") for record in caplog.records}

    @pytest.mark.chalice(fresh=True)
    def test_tables_that_refuse_are_not_ready_either(
        self, chalice_gateway: Gateway, aws_faults: Faults, aws_calls: Calls
    ) -> None:
        client = chalice_gateway.http()
        aws_faults.failing("dynamodb", code="AccessDeniedException", status=400)
        with aws_calls.exactly(dynamodb=1):
            assert [client.get("/health/ready").status_code for _ in range(3)] == [503, 503, 503]

    @pytest.mark.chalice(fresh=True)
    def test_readiness_fails_and_health_does_not(self, chalice_gateway: Gateway, aws_faults: Faults) -> None:
        client = chalice_gateway.http()
        with aws_faults.unreachable("dynamodb"):
            assert client.get("/health").status_code == 200
            ready = client.get("/health/ready")
        assert (ready.status_code, ready.headers["Retry-After"] in RETRIES) == (503, True)
        assert client.get("/health/ready").status_code == 503, "the outcome is cached for five seconds"

    def test_health_names_no_version_locally(self, chalice_gateway: Gateway) -> None:
        assert chalice_gateway.http().get("/health").json() == {"status": "ok"}

    @pytest.mark.chalice(fresh=True, env={"VERSION": "0123456789ab"})
    def test_health_names_the_deployed_version(self, chalice_gateway: Gateway) -> None:
        assert chalice_gateway.http().get("/health").json() == {"status": "ok", "version": "0123456789ab"}

    @pytest.mark.chalice(fresh=True)
    def test_ready_when_the_tables_answer(self, chalice_gateway: Gateway, aws_calls: Calls) -> None:
        client = chalice_gateway.http()
        with aws_calls.exactly(dynamodb=1):
            assert [client.get("/health/ready").status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.chalice(fresh=True, env={"JWT_SECRET": "short"})
def test_a_bug_or_a_bad_setting_says_nothing_of_itself_to_the_caller(alice: HttpClient) -> None:
    answer = alice.get("/sessions")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "JWT_SECRET" not in answer.text


def test_a_bug_is_logged_and_says_nothing_of_itself(
    alice: HttpClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def a_bug(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("arn:aws:a-detail-of-ours")

    monkeypatch.setattr("chalicelib.sessions.list_sessions", a_bug)
    answer = alice.get("/sessions")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "arn:aws" not in answer.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(record)["request_id"] == answer.json()["requestId"]
    assert "in a_bug: raise RuntimeError(" in vars(record)["exception"]
