"""No log holds a secret or input from people: each route, frame and refusal is tried, and bugs."""

from __future__ import annotations

import io
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import logs
from pytest_sessionplugin import BadToken, ConnectionClosed, Gateway, HandshakeRefused
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.lambdas.schedules import scheduled_event
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.leaks import Leaks
from tests.service.bad_tokens import BAD_TOKENS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

USED = 20
"""The least number of secrets that a run uses; with fewer, this test would prove little."""


class Secrets:
    """Makes up secrets, and collects them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._numbers = itertools.count()
        self.all: set[str] = set()

    def keep(self, text: str) -> str:
        self.all.add(text)
        return text

    def word(self) -> str:
        """A text for a title, metadata, data or the name of a field."""
        return self.keep(f"word-{next(self._numbers)}-nobody-may-read")

    def token(self, subject: str = "alice", **claims: Any) -> str:
        return self.signed(self._tokens(subject, **claims))

    def signed(self, token: str) -> str:
        """Collects a token. Its claims or its signature alone count as leaked, too."""
        self.all |= {part for part in token.split(".")[1:] if len(part) > 20}
        return self.keep(token)


@pytest.fixture
def secrets(jwt_tokens: Tokens) -> Secrets:
    secrets = Secrets(jwt_tokens)
    secrets.keep(jwt_tokens.secret)
    return secrets


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log as Chalice's handler writes it; pytest's own format leaves the fields out."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logs.Lines("%(name)s - %(levelname)s - %(message)s"))
    logger = logging.getLogger(logs.NAME)
    logger.addHandler(handler)
    try:
        yield handler.stream
    finally:
        logger.removeHandler(handler)


class Run:
    """Uses each part of the service once."""

    def __init__(
        self,
        gateway: Gateway,
        secrets: Secrets,
        faults: Faults,
        tables: Tables,
        tokens: Tokens,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.gateway, self.secrets, self.faults, self.tables = gateway, secrets, faults, tables
        self.tokens, self.monkeypatch = tokens, monkeypatch
        self.alice = gateway.http(token=secrets.token("alice"))
        self.statuses: set[int] = set()
        self.codes: set[str] = set()
        self.left = ""  # the text of the exception that left a function, which Lambda logs

    def everything(self) -> None:
        path = self.http()
        self.http_refusals(path)
        self.bad_credentials(path)
        self.socket(path)
        self.tickets(path)
        self.refreshes(path)
        self.bugs(path)
        self.unavailable(path)
        self.gateway.invoke("sweep", scheduled_event("sweep", "us-east-1", datetime.now(UTC)))
        self.gateway.settle()

    def asks(self, client: HttpClient, method: str, path: str, **options: Any) -> Any:
        answer = client.request(method, path, **options)
        self.statuses.add(answer.status_code)
        return answer

    def create(self, **options: Any) -> str:
        word = self.secrets.word
        body = {"title": word(), "metadata": {word(): [word()]}}
        return f"/sessions/{self.asks(self.alice, 'POST', '/sessions', json=body, **options).json()['sessionId']}"

    def http(self) -> str:
        word = self.secrets.word
        path = self.create(headers={"Idempotency-Key": word()})
        self.create()
        listed = self.asks(self.alice, "GET", "/sessions", params={"limit": "1"}).json()
        cursor = self.secrets.keep(listed["nextCursor"])
        self.asks(self.alice, "GET", "/sessions", params={"cursor": cursor})
        self.asks(self.alice, "GET", "/sessions", params={"cursor": f"{cursor}x"})
        self.asks(self.alice, "GET", path)
        self.asks(self.alice, "PATCH", path, json={"title": word(), "metadata": {word(): word()}})
        for to in ({}, {"to": word()}):
            self.asks(self.alice, "POST", f"{path}/messages", json={"data": word(), **to})
        self.asks(self.alice, "GET", "/health")
        self.asks(self.alice, "GET", "/health/ready")
        return path

    def http_refusals(self, path: str) -> None:
        word, alice = self.secrets.word, self.alice
        mallory = self.gateway.http(token=self.secrets.token("mallory"))
        for body in ({word(): word()}, {"title": [word()]}, {"metadata": word()}, {"title": word() * 20}):
            self.asks(alice, "POST", "/sessions", json=body)
        self.asks(alice, "POST", "/sessions", content=word().encode())
        self.asks(alice, "POST", "/sessions", content=b"x", headers={"Content-Type": f"text/{word()}"})
        self.asks(alice, "POST", "/sessions", json={"metadata": {"x": word() * 5000}})
        key = {"Idempotency-Key": word()}
        for _ in range(2):
            self.asks(alice, "POST", "/sessions", json={"title": word()}, headers=key)
        self.asks(mallory, "PATCH", path, json={"title": word()})
        self.asks(mallory, "POST", f"{path}/messages", json={"data": word()})
        self.asks(alice, "POST", f"{path}/messages", json={"data": word(), "to": word() * 20})
        self.asks(alice, "POST", f"{path}/messages", json={"data": word(), word(): 1})
        self.asks(alice, "POST", f"{path}/messages", json={"data": word()}, headers={"Idempotency-Key": word()})
        self.asks(alice, "PATCH", path, json={"title": word()}, headers={"If-Match": '"77"'})
        self.asks(alice, "GET", f"/sessions/{self.secrets.token()}")
        self.asks(alice, "GET", "/sessions/" + "a" * 26, headers={"X-Correlation-Id": self.secrets.token()})
        ended = self.create()
        self.asks(alice, "DELETE", ended)
        self.asks(alice, "PATCH", ended, json={"title": word()})

    def bad_credentials(self, path: str) -> None:
        expired = self.secrets.token(expires_in=-60)
        for token in (expired, *(self.secrets.signed(make(self.tokens)) for make in BAD_TOKENS.values())):
            client = self.gateway.http(token=token)
            self.asks(client, "GET", path)
            self.refused(path, token)
        self.asks(self.gateway.http(), "GET", path, headers={"Authorization": f"Basic {self.secrets.word()}"})
        self.asks(self.gateway.http(), "GET", path)

    def refused(self, path: str, token: str, query: dict[str, str] | None = None, **options: Any) -> None:
        params = {"sessionId": path.rpartition("/")[2], **(query or {})}
        with pytest.raises(HandshakeRefused) as refused:
            self.gateway.websocket("/", params=params, token=token, **options)
        self.statuses.add(refused.value.status_code)

    def join(self, path: str, subject: str = "bob") -> Any:
        params = {"sessionId": path.rpartition("/")[2]}
        offered = ["sessions.v1", f"bearer.{self.secrets.token(subject)}"]
        return self.gateway.websocket("/", params=params, subprotocols=offered)

    def says(self, socket: Any, **fields: Any) -> None:
        socket.send_json(fields)
        self.hears(socket)

    def hears(self, socket: Any) -> None:
        frame = socket.receive_json()
        self.codes.add(frame.get("code", frame["type"]))

    def socket(self, path: str) -> None:
        word = self.secrets.word
        self.refused(path, self.secrets.token(), {"access_token": self.secrets.token()})
        self.refused(path, self.secrets.token(), headers={"Origin": f"https://{word()}.example"})
        self.refused("/sessions/" + "a" * 26, self.secrets.token())
        with self.join(path) as bob, self.join(path, "carol") as carol:
            self.says(bob, action="hello", id=word())
            self.says(bob, action="publish", data={word(): word()}, id=word())
            self.hears(carol)
            self.says(bob, action="send", to=word(), data=word())
            self.says(bob, action="send", to="carol", data={word(): word()})
            self.hears(carol)
            self.says(bob, action="send", to=[word()], data=word())
            self.says(bob, action=word())
            self.says(bob, action="ping", **{word(): word()})
            bob.send_text(word())
            self.hears(bob)
            self.asks(self.alice, "PATCH", path, json={"status": "paused", "title": word()})
            self.hears(bob)
            self.says(bob, action="publish", data=word())
            for row in self.tables["Connections"].scan()["Items"]:
                self.tables["Connections"].delete_item(Key={"place": row["place"], "member": row["member"]})
            self.says(bob, action="publish", data=word())

    def ticket(self, path: str, **fields: Any) -> str:
        issued = self.asks(self.alice, "POST", f"{path}/tickets", json=fields).json()
        return self.secrets.keep(issued["ticket"])

    def by_ticket(self, path: str, ticket: str, **query: str) -> Any:
        params = {"sessionId": path.rpartition("/")[2], "ticket": ticket, **query}
        return self.gateway.websocket("/", params=params)

    def tickets(self, path: str) -> None:
        word = self.secrets.word
        guests = self.ticket(path, subject=f"guest:{word()}", role="viewer", replaces=word())
        params = {"sessionId": path.rpartition("/")[2]}
        with self.gateway.websocket("/", params=params, subprotocols=["sessions.v1", f"ticket.{guests}"]) as guest:
            self.says(guest, action="hello", id=word())
            self.says(guest, action="publish", data=word())
        with self.by_ticket(path, self.ticket(path), replaces=word()) as alice:
            self.says(alice, action="hello")
        lost = self.ticket(path)
        with self.faults.failing("dynamodb:UpdateItem", message=lost), pytest.raises(HandshakeRefused):
            self.by_ticket(path, lost)
        for ticket in (guests, word()):
            with pytest.raises(HandshakeRefused):
                self.by_ticket(path, ticket)
        self.asks(self.gateway.http(token=guests), "GET", path)
        self.asks(self.alice, "GET", f"/sessions/{self.ticket(path)}")
        mallory = self.gateway.http(token=self.secrets.token("mallory"))
        for body in ({"subject": f"guest:{word()}"}, {"subject": word()}, {word(): word()}, {"replaces": [word()]}):
            self.asks(mallory, "POST", f"{path}/tickets", json=body)
        self.asks(mallory, "POST", f"{path}/tickets", headers={"Origin": f"https://{word()}.example"})

    def refreshes(self, path: str) -> None:
        tokens = [self.secrets.token("bob"), self.secrets.token("carol")]
        tokens += [self.secrets.token("bob", expires_in=-60), self.secrets.signed(BAD_TOKENS["alg None"](self.tokens))]
        with self.join(path) as bob:
            for token in (*tokens, self.secrets.word(), [self.secrets.token("bob")]):
                self.says(bob, action="refresh", token=token, id=self.secrets.word())
            self.says(bob, action="refresh", token=self.secrets.token("bob"), **{self.secrets.word(): 1})

    def bugs(self, path: str) -> None:
        """Bugs whose exceptions, and their causes, hold all their arguments and all secrets."""

        def a_bug(*args: Any, **given: Any) -> None:
            try:
                raise KeyError(args)
            except KeyError as exc:
                raise ValueError(f"{args} {given} {list(self.secrets.all)}") from exc

        def in_place_of(name: str, act: Callable[[], object]) -> None:
            with self.monkeypatch.context() as patched:
                patched.setattr(name, a_bug)
                act()

        word, alice = self.secrets.word, self.alice
        in_place_of("chalicelib.sessions.create_session", lambda: self.asks(alice, "POST", "/sessions", json={}))
        in_place_of(
            "chalicelib.sessions.change_session", lambda: self.asks(alice, "PATCH", path, json={"title": word()})
        )
        in_place_of("chalicelib.auth.authenticate", lambda: self.asks(alice, "GET", path))
        in_place_of("jwt.get_unverified_header", lambda: self.asks(alice, "GET", path))
        in_place_of("chalicelib.connections.connect", lambda: self.refused(path, self.secrets.token()))
        in_place_of("chalicelib.tickets.issue", lambda: self.asks(alice, "POST", f"{path}/tickets"))
        ticket = self.ticket(path)
        with pytest.raises(HandshakeRefused):
            in_place_of("chalicelib.tickets.use", lambda: self.by_ticket(path, ticket))
        with self.join(path) as bob:
            in_place_of("chalicelib.conversations.receive", lambda: self.says(bob, action="publish", data=word()))
            for name in ("chalicelib.auth.authenticate", "jwt.get_unverified_header"):
                in_place_of(name, lambda: self.says(bob, action="refresh", token=self.secrets.token("bob")))

        def leave() -> None:
            bob.close()
            self.gateway.settle()

        def sweep() -> None:
            self.gateway.invoke("sweep", scheduled_event("sweep", "us-east-1", datetime.now(UTC)))

        with self.join(path) as bob:
            in_place_of("chalicelib.connections.disconnect", leave)
        with pytest.raises(Exception) as left:  # noqa: PT011  the test is about its text
            in_place_of("chalicelib.sweeper.sweep", sweep)
        self.left = str(left.value)

    def unavailable(self, path: str) -> None:
        word = self.secrets.word
        with self.join(path) as bob:
            for code in ("ValidationException", "InternalServerError", "ThrottlingException"):
                with self.faults.failing("dynamodb", code=code, status=400, message=word()):
                    self.asks(self.alice, "PATCH", path, json={"title": word(), "metadata": {"x": word()}})
                    self.says(bob, action="publish", data=word())
                    self.refused(path, self.secrets.token())
            with self.faults.unreachable("dynamodb"):
                self.asks(self.alice, "GET", path)
            with self.faults.failing("apigatewaymanagementapi", message=word()), suppress(ConnectionClosed):
                bob.send_json({"action": "ping", "id": word()})


def check(run: Run, written: io.StringIO, capfd: pytest.CaptureFixture[str], json_lines: bool) -> None:
    secrets = run.secrets
    leaks = Leaks(secrets.all)
    root = logging.getLogger()
    level = root.level
    with leaks.listening():
        run.everything()
    assert run.statuses >= {200, 201, 204, 400, 401, 403, 404, 409, 412, 413, 415, 422, 500, 503}
    assert run.codes >= {"welcome", "ack", "message", "session.updated", "direct", "invalid_request", "unauthenticated"}
    assert run.codes >= {"session_paused", "connection_not_found", "internal_error", "unavailable"}
    assert len(secrets.all) > USED
    assert root.level == level, "botocore logs bodies and headers at DEBUG"
    assert not logging.getLogger("botocore").isEnabledFor(logging.DEBUG)
    out, err = capfd.readouterr()
    for where, text in (("the log", written.getvalue()), ("stdout", out), ("stderr", err)):
        leaks.look(where, text)
    assert leaks.found == []
    lines = written.getvalue().splitlines()
    if json_lines:
        leaks.look("the exception that left a function", run.left)
        assert leaks.found == []
        said = [json.loads(line) for line in lines]
        assert {line["outcome"] for line in said if "outcome" in line} == {"done", "refused", "unavailable", "failed"}
        assert {"request_id", "correlation_id", "stage", "function_name", "operation"} <= set(said[0])
        assert all("CloudWatchMetrics" in json.loads(line)["_aws"] for line in out.splitlines())
        assert out.splitlines() != []
    else:
        assert any("CloudWatchMetrics" in line for line in lines)
        assert out == ""


@pytest.fixture
def run(
    chalice_gateway: Gateway,
    secrets: Secrets,
    aws_faults: Faults,
    dynamodb_tables: Tables,
    jwt_tokens: Tokens,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    return Run(chalice_gateway, secrets, aws_faults, dynamodb_tables, jwt_tokens, monkeypatch)


@pytest.mark.chalice(env={"LOG_LEVEL": "DEBUG"})
def test_nothing_secret_is_in_a_log_for_people(
    run: Run, written: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    check(run, written, capfd, json_lines=False)


@pytest.mark.chalice(env={"LOG_LEVEL": "DEBUG", "AWS_LAMBDA_FUNCTION_NAME": "sessions-dev", "STAGE": "dev"})
def test_nothing_secret_is_in_a_log_of_lambda(
    run: Run, written: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    check(run, written, capfd, json_lines=True)


def test_a_bad_token_is_not_in_a_log(bad_jwt: BadToken, chalice_gateway: Gateway) -> None:
    """Each bad token of the plugin; conftest.py looks at the log of all tests as well."""
    leaks = Leaks([bad_jwt])
    with leaks.listening():
        assert chalice_gateway.http(token=bad_jwt).get("/sessions").status_code == 401
    assert leaks.found == []
