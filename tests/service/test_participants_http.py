"""The people in a session as its owner and they themselves meet them, behind the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.model import rfc3339
from pytest_sessionplugin import Clock, ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.aws.endpoints import MANAGEMENT
from pytest_sessionplugin.aws.faults import Fault, Faults, Kind
from pytest_sessionplugin.aws.races import Races
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

DAY = 86_400  # seconds
Join = Callable[..., WebSocket]
Http = Callable[[str], HttpClient]


@pytest.fixture
def http(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Http:
    return lambda subject: chalice_gateway.http(token=jwt_tokens(subject, expires_in=DAY))


@pytest.fixture
def alice(http: Http) -> HttpClient:
    """HTTP as the owner."""
    return http("alice")


@pytest.fixture
def session_id(alice: HttpClient) -> str:
    return str(alice.post("/sessions", json={}).json()["sessionId"])


@pytest.fixture
def path(session_id: str) -> str:
    return f"/sessions/{session_id}/participants"


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, session_id: str) -> Iterator[Join]:
    """Opens a socket in the session, or another, until the test is over."""
    with ExitStack() as opened:

        def connect(subject: str = "bob", session_id: str = session_id, **query: str) -> WebSocket:
            token = None if "ticket" in query else jwt_tokens(subject, expires_in=DAY)
            params = {"sessionId": session_id, **query}
            return opened.enter_context(chalice_gateway.websocket("/", params=params, token=token))

        yield connect


@pytest.fixture
def rows(dynamodb_tables: Tables) -> Callable[[], list[str]]:
    """The members of all rows of connections in the table."""

    def rows() -> list[str]:
        found = [str(row["member"]) for row in dynamodb_tables["Connections"].scan()["Items"]]
        return [member for member in found if not member.startswith("!")]

    return rows


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def assert_closed(socket: WebSocket, **last: Any) -> None:
    socket.expect(type="closing", **last)
    with pytest.raises(ConnectionClosed):
        socket.receive_json()


class TestList:
    def test_pages_lead_through_those_who_are_in(self, alice: HttpClient, path: str, join: Join) -> None:
        assert alice.get(path).json() == {"participants": [], "nextCursor": None}
        for subject in ("bob", "carol", "bob", "alice", "ada & é+/=?#%"):
            join(subject)
        whole = alice.get(path)
        assert (whole.status_code, whole.json()["nextCursor"]) == (200, None)
        people = {one["subject"]: (one["role"], one["connections"]) for one in whole.json()["participants"]}
        assert people == {
            "alice": ("owner", 1),
            "bob": ("participant", 2),
            "carol": ("participant", 1),
            "ada & é+/=?#%": ("participant", 1),
        }
        found, cursor = list[Any](), None
        for _ in range(4):
            page = alice.get(path, params={"limit": "1", **({"cursor": cursor} if cursor else {})}).json()
            found += page["participants"]
            cursor = page["nextCursor"]
        assert (found, cursor) == (whole.json()["participants"], None)

    def test_a_session_with_presence_shows_it_to_everybody(self, alice: HttpClient, http: Http, path: str) -> None:
        assert error(http("bob").get(path)) == (403, "not_owner")
        shown = alice.post("/sessions", json={"presence": True}).json()["sessionId"]
        assert http("bob").get(f"/sessions/{shown}/participants").status_code == 200
        assert error(alice.get(f"/sessions/{'a' * 26}/participants")) == (404, "session_not_found")

    def test_a_cursor_of_another_session_is_refused(self, alice: HttpClient, path: str, join: Join) -> None:
        other = str(alice.post("/sessions", json={}).json()["sessionId"])
        for session in (other, path.split("/")[2]):
            join("bob", session), join("carol", session)
        cursor = alice.get(path, params={"limit": "1"}).json()["nextCursor"]
        refused = alice.get(f"/sessions/{other}/participants", params={"cursor": cursor})
        assert error(refused) == (400, "invalid_request")

    @pytest.mark.parametrize(
        "params",
        [
            *({"limit": limit} for limit in ("0", "-1", "x", "101", "", "1.5", "\u0661")),
            *({"cursor": cursor} for cursor in ("x", "", "AAAA", "é", "a" * 1000)),
            {"status": "active"},
            {"subject": "bob"},
            {"": "1"},
        ],
        ids=str,
    )
    def test_what_a_list_cannot_mean_is_refused(self, alice: HttpClient, path: str, params: dict[str, str]) -> None:
        assert error(alice.get(path, params=params)) == (400, "invalid_request")


class TestRole:
    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_a_viewer_is_told_and_no_longer_publishes(self, alice: HttpClient, path: str, join: Join) -> None:
        bob, again, carol = join(), join(), join("carol")
        answer = alice.patch(path, params={"subject": "bob"}, json={"role": "viewer"})
        assert (answer.status_code, answer.json()) == (200, {"subject": "bob", "role": "viewer"})
        for socket in (bob, again, join()):
            if socket in (bob, again):
                assert socket.expect(type="role", role="viewer")["correlationId"] == answer.headers["X-Correlation-Id"]
            socket.send_json({"action": "publish", "data": 1})
            socket.expect(type="error", code="not_allowed")
            socket.send_json({"action": "hello"})
            assert socket.expect(type="welcome")["role"] == "viewer"
        carol.receive_nothing()
        roles = {one["subject"]: one["role"] for one in alice.get(path).json()["participants"]}
        assert roles == {"bob": "viewer", "carol": "participant"}
        alice.patch(path, params={"subject": "bob"}, json={"role": "participant"})
        bob.expect(type="role", role="participant")
        bob.send_json({"action": "publish", "data": 1})
        bob.expect(type="ack")

    @pytest.mark.parametrize(
        ("params", "body"),
        [
            *(({"subject": "bob"}, body) for body in ({}, {"role": "owner"}, {"role": None}, {"role": ["viewer"]})),
            ({"subject": "bob"}, {"role": "viewer", "ban": 1}),
            *((params, {"role": "viewer"}) for params in ({}, {"subject": ""}, {"subject": "a" * 256})),
            ({"subject": "a\nb"}, {"role": "viewer"}),
            ({"subject": "alice"}, {"role": "viewer"}),
            ({"subject": ["bob", "carol"]}, {"role": "viewer"}),
            ({"subject": "bob", "ban": "1"}, {"role": "viewer"}),
        ],
        ids=str,
    )
    def test_what_a_role_cannot_mean_is_refused(self, alice: HttpClient, path: str, params: Any, body: Any) -> None:
        assert error(alice.patch(path, params=params, json=body)) == (400, "invalid_request")

    def test_refusals(self, alice: HttpClient, http: Http, path: str) -> None:
        bob: dict[str, Any] = {"params": {"subject": "bob"}}
        role: dict[str, Any] = {**bob, "json": {"role": "viewer"}}
        assert error(http("mallory").patch(path, **role)) == (403, "not_owner")
        assert error(alice.patch(f"/sessions/{'a' * 26}/participants", **role)) == (404, "session_not_found")
        plain = alice.patch(path, **bob, content=b"viewer", headers={"Content-Type": "text/plain"})
        assert error(plain) == (415, "unsupported_media_type")


class TestKick:
    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_a_kicked_subject_is_out_while_the_ban_lasts(
        self, chalice_clock: Clock, alice: HttpClient, http: Http, path: str, join: Join
    ) -> None:
        bob, reads, own = join(), http("bob"), path.removesuffix("/participants")
        early = [reads.post(f"{own}/tickets", json={}).json()["ticket"] for _ in range(2)]
        answer = alice.delete(path, params={"subject": "bob", "ban": "60"})
        until = rfc3339(chalice_clock.now + timedelta(seconds=60))
        assert (answer.status_code, answer.json()) == (200, {"closed": 1, "pending": 0, "bannedUntil": until})
        assert_closed(bob, code="kicked", reconnect="never", correlationId=answer.headers["X-Correlation-Id"])
        with pytest.raises(HandshakeRefused, match="403"):
            join(ticket=early[0])
        chalice_clock.advance(seconds=59.9)
        for refused in (reads.get(own), reads.get(path), reads.post(f"{own}/tickets", json={})):
            assert error(refused) == (403, "banned")
        with pytest.raises(HandshakeRefused, match="403"):
            join()
        for refused in (reads.patch(own, json={"title": "x"}), reads.delete(own)):
            assert error(refused) == (403, "not_owner")
        assert error(reads.delete(path, params={"subject": "bob", "ban": "0"})) == (403, "not_owner")
        assert alice.get(path).json()["participants"] == []
        chalice_clock.advance(seconds=0.1)
        assert reads.get(own).status_code == 200
        join(ticket=reads.post(f"{own}/tickets", json={}).json()["ticket"]).close()

    def test_a_handshake_that_is_under_way_is_refused(
        self, alice: HttpClient, path: str, join: Join, aws_race: Races, rows: Callable[[], list[str]]
    ) -> None:
        """It has written its rows, and reads what the owner says only after the kick."""

        def kick() -> Any:
            assert any(len(rows()) == 2 for _ in range(2_000)), "both are there in time"
            removal = alice.delete(path, params={"subject": "bob"}).json()
            alice.get(path)  # reads as the handshake does, and lets it go on
            return removal

        with aws_race("dynamodb:BatchGetItem") as race:
            refused, removal = race.run(join, kick, return_exceptions=True)
        assert race.met
        assert isinstance(refused, HandshakeRefused)
        assert refused.status_code == 403
        assert (removal["closed"], removal["pending"]) == (0, 1)
        assert rows() == []

    def test_no_ban_closes_and_lifts_one(self, alice: HttpClient, path: str, join: Join) -> None:
        hour = alice.delete(path, params={"subject": "bob"}).json()["bannedUntil"]
        left = datetime.fromisoformat(hour) - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        lifted = {"closed": 0, "pending": 0, "bannedUntil": None}
        assert alice.delete(path, params={"subject": "bob", "ban": "0"}).json() == lifted
        bob = join()
        assert alice.delete(path, params={"subject": "bob", "ban": "0"}).json() == {**lifted, "closed": 1}
        assert_closed(bob, code="kicked", reconnect="never")
        join().close()

    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_of_five_sockets_a_hanging_and_a_pending_one_keep_no_other_open(
        self, chalice_clock: Clock, alice: HttpClient, path: str, join: Join, aws_faults: Faults
    ) -> None:
        """The two hear nothing more, and are closed at their next frame."""
        hanging, *three = (join() for _ in range(4))
        chalice_clock.advance(seconds=36)
        pending, carol = join(), join("carol")
        never = Fault(MANAGEMENT, Kind.UNREACHABLE, connections=frozenset({str(hanging.connection_id)}))
        with aws_faults.arm(never), aws_faults.gone(str(pending.connection_id)):
            removal = alice.delete(path, params={"subject": "bob"}).json()
        assert (removal["closed"], removal["pending"]) == (3, 2)
        for socket in three:
            assert_closed(socket, code="kicked", reconnect="never")
        carol.send_json({"action": "publish", "data": "after"})
        assert carol.expect(type="ack")["sent"] == 0
        for socket in (hanging, pending):
            socket.receive_nothing()
            socket.send_json({"action": "publish", "data": "still here"})
            assert_closed(socket, code="connection_not_found")
        carol.receive_nothing()
        with pytest.raises(HandshakeRefused, match="403"):
            join()

    def test_a_hello_is_closed_if_the_ban_found_its_row_unread(
        self, alice: HttpClient, path: str, join: Join, aws_faults: Faults
    ) -> None:
        """The tables fail after the ban was written: the owner is told, and repeats it."""
        bob = join()
        with aws_faults.failing("dynamodb:Query", code="InternalServerError", status=500):
            assert error(alice.delete(path, params={"subject": "bob"})) == (503, "unavailable")
        bob.send_json({"action": "hello"})
        assert_closed(bob, code="kicked", reconnect="never")
        assert alice.delete(path, params={"subject": "bob"}).status_code == 200

    @pytest.mark.parametrize(
        "params",
        [
            *({"subject": "bob", "ban": ban} for ban in ("-1", "86401", "x", "", "1.5", "\u0661", "1e3", "0" * 6)),
            *({"subject": subject} for subject in ("", "a" * 256, "a\u2028b", "alice")),
            {},
            {"ban": "60"},
            {"subject": "bob", "role": "viewer"},
            {"subject": ["bob", "bob"]},
            {"subject": "bob", "ban": ["0", "60"]},
        ],
        ids=str,
    )
    def test_what_a_kick_cannot_mean_is_refused(self, alice: HttpClient, path: str, params: Any) -> None:
        assert error(alice.delete(path, params=params)) == (400, "invalid_request")

    def test_refusals(self, alice: HttpClient, http: Http, path: str) -> None:
        bob = {"subject": "bob"}
        assert error(http("mallory").delete(path, params=bob)) == (403, "not_owner")
        assert error(alice.delete(f"/sessions/{'a' * 26}/participants", params=bob)) == (404, "session_not_found")
        guest = alice.delete(path, params={"subject": "guest:ada", "ban": "86400"})
        assert guest.status_code == 200
