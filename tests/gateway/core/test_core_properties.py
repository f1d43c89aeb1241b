"""GatewayCore fed at random: in any order of inputs it keeps its promises to the runtime.

The machine below is a shell without sockets: it keeps no more than what it was asked to do and what it owes.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import zlib
from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_sessionplugin.gateway.core.compression import read
from pytest_sessionplugin.gateway.core.core import GatewayCore
from pytest_sessionplugin.gateway.core.gateway_responses import MISSING_TOKEN
from pytest_sessionplugin.gateway.core.websocket import IDLE_TIMEOUT, LIFETIME
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Authorizer,
    AuthorizerKind,
    Backlog,
    Close,
    Closed,
    DisconnectLost,
    Effect,
    Handshake,
    Input,
    Invoke,
    Manage,
    Message,
    Raised,
    Refuse,
    Reply,
    Request,
    Respond,
    Returned,
    Route,
    Send,
    TimedOut,
)

pytestmark = pytest.mark.slow

NOON = 1_742_085_982.306
FUNCTIONS = {"$connect": "on_connect", "$default": "on_message", "$disconnect": "on_disconnect"}
ROUTES = (
    Route("/", frozenset({"GET"})),
    Route("/rooms/{room}", frozenset({"GET", "POST", "HEAD"}), preflight={"Access-Control-Allow-Origin": "*"}),
    Route("/mine", frozenset({"GET"}), authorizers={"GET": Authorizer(AuthorizerKind.BUILT_IN, "guard")}),
    Route("/brief", frozenset({"GET"}), authorizers={"GET": Authorizer(AuthorizerKind.BUILT_IN, "guard", ttl=0)}),
    Route("/pool", frozenset({"GET"}), authorizers={"GET": Authorizer(AuthorizerKind.COGNITO, "pool")}),
    Route("/signed", frozenset({"GET"}), authorizers={"GET": Authorizer(AuthorizerKind.IAM, "sigv4")}),
)

# --- what peers send

texts = st.text(max_size=12)
paths = st.sampled_from(
    ["/", "", "/rooms/a", "/api/rooms/a%2Fb", "/rooms/%FF", "/pool", "/signed", "/api", "//", "*"]
) | st.text(max_size=12).map("/".__add__)
queries = st.sampled_from(["", "a=1&a=2", "X-Amz-Signature=x", "%", "&&=", "a=%FF"]) | texts
names = st.sampled_from(["Authorization", "Accept", "Content-Type", "User-Agent", "X-Forwarded-For"])
values = st.sampled_from(["", "alice", "application/octet-stream", "\udcff", "x" * 10_240])
headers = st.lists(st.tuples(names | texts, values | texts), max_size=3).map(tuple)
connections = st.sampled_from(["alice=", "bob="])
messages = st.sampled_from(["hi", "", "\ud800", "x" * 32_768, "é" * 65_537]) | texts | st.binary(max_size=4)

# --- what functions return

scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
statuses = st.sampled_from([200, "200", 204, 299, 304, 403, 500, 101, 999, True, 200.0, "9" * 5_000]) | anything
wild = st.sampled_from(["a\r\nb: c", "v1", "\ud800", "\x00", "", 1.5, True]) | anything
named = st.dictionaries(st.sampled_from(["Content-Type", "Sec-WebSocket-Protocol", "X"]) | texts, wild, max_size=3)
results = st.fixed_dictionaries(
    {"statusCode": statuses},
    optional={
        "headers": named | anything,
        "multiValueHeaders": st.dictionaries(texts, st.lists(anything, max_size=2), max_size=2) | anything,
        "body": st.sampled_from(["", "aGk=", "a"]) | anything,
        "isBase64Encoded": st.booleans() | anything,
        "extra": anything,
    },
)
patterns = st.sampled_from(["*", "execute-api:Invoke", "arn:*/GET/mine", "", "?*["]) | anything
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]) | anything, "Action": patterns, "Resource": patterns},
    optional={"Condition": anything},
)
policies = st.fixed_dictionaries(
    {
        "principalId": st.just("alice") | anything,
        "policyDocument": anything
        | st.fixed_dictionaries({"Statement": st.lists(statements, max_size=2) | statements}),
    },
    optional={"context": named | anything},
)
errors = st.sampled_from([Raised("E", "Unauthorized"), Raised("E", ""), TimedOut()])


class State(Enum):
    """The state of a connection according to the effects."""

    ASKED = auto()  # neither accepted nor refused
    OPEN = auto()
    OVER = auto()


class Shell(RuleBasedStateMachine):
    core: GatewayCore

    @initialize(
        routes=st.sets(st.sampled_from(sorted(FUNCTIONS))) | st.just(set(FUNCTIONS)), functions_return=st.booleans()
    )
    def deploy(self, routes: set[str], functions_return: bool) -> None:
        numbers = itertools.count(1)
        api = Api(
            routes=ROUTES,
            websocket={key: FUNCTIONS[key] for key in sorted(routes)},
            binary_types=frozenset({"application/octet-stream"}),
        )
        self.api, self.now, self.functions_return = api, NOON, functions_return
        self.core = GatewayCore(api, lambda: f"id{next(numbers):013}=", lambda: f"invocation{next(numbers)}")
        self.requests = itertools.count(1)
        self.unanswered: set[str] = set()
        self.connections: dict[str, State] = {}
        self.to_disconnect: set[str] = set()  # have just ended, and their $disconnect has not come
        self.lost: set[str] = set()
        self.since: dict[str, float] = {}  # when each that is open asked to be
        self.active: dict[str, float] = {}  # when something last went to it or came from it
        self.running: list[str] = []
        self.ever_run: set[str] = set()

    # --- time

    @rule(seconds=st.sampled_from([0.001, 1.0, 29.0, 299.0, 600.0, 7_200.0]))
    def time_passes_unseen(self, seconds: float) -> None:
        """A tick may be late."""
        self.now += seconds

    @rule(seconds=st.sampled_from([0.0, 1.0, 28.999, 29.0, 599.0, 600.0, 7_200.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)
        self.perform()
        due = self.core.due()
        assert due is None or due > self.now
        for connection, state in self.connections.items():
            if state is State.OPEN:
                assert self.now < self.since[connection] + LIFETIME
                assert self.now < self.active[connection] + IDLE_TIMEOUT

    @rule(connection=connections)
    def all_others_are_idle(self, connection: str) -> None:
        self.now += 599.0
        self.send(connection, "hi", 0)
        self.time_passes(1.0)

    # --- peers

    @rule(method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "é"]), path=paths, query=queries, headers=headers)
    def request(self, method: str, path: str, query: str, headers: tuple[tuple[str, str], ...]) -> None:
        request_id = f"request {next(self.requests)}"
        self.unanswered.add(request_id)
        self.feed(Request(request_id, method, path, query, headers, b"\xff"))

    @rule(path=st.sampled_from(["/mine", "/brief"]), token=st.sampled_from(["alice", "bob"]))
    def request_as(self, path: str, token: str) -> None:
        self.request("GET", path, "", (("Authorization", token),))

    @rule(claims=st.dictionaries(st.sampled_from(["sub", "caller", "x"]), anything, max_size=2), path=paths)
    def request_with_claims(self, claims: dict[str, Any], path: str) -> None:
        """receive() refuses the claims that check_claims() refuses, and answers the others."""
        request = Request(f"request {next(self.requests)}", "GET", path, claims=claims)
        try:
            self.core.check_claims("GET", path, claims)
        except ValueError:
            with pytest.raises(ValueError, match=r"."):
                self.core.receive(request, self.now)
            assert self.core.effects() == []
        else:
            self.unanswered.add(request.id)
            self.feed(request)

    @rule(connection=connections, path=st.sampled_from(["/", "/", "/api/", "/nope"]), query=queries, headers=headers)
    def shake_hands(self, connection: str, path: str, query: str, headers: tuple[tuple[str, str], ...]) -> None:
        handshake = Handshake(connection, path, query, headers)
        if self.connections.get(connection, State.OVER) is not State.OVER:
            with pytest.raises(ValueError, match="already exists"):
                self.core.receive(handshake, self.now)
            assert self.core.effects() == []
            return
        self.connections[connection] = State.ASKED
        self.lost.discard(connection)
        self.since[connection] = self.now
        self.feed(handshake)

    @rule(connection=connections)
    def knock(self, connection: str) -> None:
        self.shake_hands(connection, "/", "", ())

    @rule(connection=connections)
    def come_in(self, connection: str) -> None:
        """Often enough that something is open."""
        if self.connections.get(connection, State.OVER) is State.OVER:
            self.knock(connection)
            if "$connect" in self.api.websocket:
                self.returns(-1, {"statusCode": 200})

    @rule(connection=connections, data=messages, largest=st.sampled_from([0, 0, 1, 32_768, 32_769]))
    def send(self, connection: str, data: str | bytes, largest: int) -> None:
        self.active[connection] = self.now
        self.feed(Message(connection, data, largest))

    @rule(connection=connections, code=st.sampled_from([1000, 1001, 1005, 1006, 4999]), reason=texts)
    def leave(self, connection: str, code: int, reason: str) -> None:
        if self.connections.get(connection) is State.OPEN:
            self.to_disconnect.add(connection)
        self.connections[connection] = State.OVER  # before: nothing may go to it any more
        self.feed(Closed(connection, code, reason))

    @rule(connection=connections, full=st.booleans())
    def read_slowly(self, connection: str, full: bool) -> None:
        self.feed(Backlog(connection, full))

    @rule(connection=connections)
    def lose_disconnect(self, connection: str) -> None:
        if self.connections.get(connection, State.OVER) is not State.OVER:
            self.lost.add(connection)
        self.feed(DisconnectLost(connection))

    @rule(
        method=st.sampled_from(["POST", "GET", "DELETE", "PUT"]),
        connection=connections,
        path=st.none() | paths,
        body=st.sampled_from([b"hi", b"\xff", b"x" * 131_073]),
        denied=st.sampled_from([None, None, MISSING_TOKEN]),
    )
    def manage(self, method: str, connection: str, path: str | None, body: bytes, denied: Reply | None) -> None:
        host = self.api.host(self.api.websocket_api_id)
        is_open = self.connections.get(connection) is State.OPEN
        whole = f"/{self.api.stage}/@connections/{connection}" if path is None else path
        reply = self.core.manage(Manage(method, host, whole, body, denied), self.now)
        assert reply.status in (200, 204, 403, 404, 410, 413, 429)
        if reply.status in (200, 204, 429):
            assert is_open
        self.perform()

    # --- functions

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 50))
    def function_is_well(self, number: int) -> None:
        self.returns(number, {"statusCode": 200})

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 50), result=results | policies | anything)
    def function_returns(self, number: int, result: Any) -> None:
        self.returns(number, result)

    @precondition(lambda self: self.running)
    @rule(number=st.integers(0, 50), error=errors)
    def function_fails(self, number: int, error: Raised | TimedOut) -> None:
        self.returns(number, None, error)

    def returns(self, number: int, result: Any, error: Raised | TimedOut | None = None) -> None:
        """A second return is a mistake of the runtime, and changes nothing."""
        returned = Returned(self.running.pop(number % len(self.running)), result, error)
        self.feed(returned)
        with pytest.raises(LookupError, match="is not running"):
            self.core.receive(returned, self.now)

    # --- what is promised

    @invariant()
    def nothing_is_said_unasked(self) -> None:
        assert self.core.effects() == []

    def teardown(self) -> None:
        """Every caller gets an answer, though nothing returns; nothing is kept once all has returned."""
        if not hasattr(self, "core"):
            return
        if self.functions_return:
            while self.running:
                self.returns(0, {"statusCode": 200})
            for connection in self.connections:
                self.leave(connection, 1000, "")
        else:
            for seconds in (29.0, 29.0, 7_200.0):  # an authorizer's, then that of the function behind it
                self.time_passes(seconds)
        assert self.unanswered == set()
        assert set(self.connections.values()) <= {State.OVER}
        while self.running:
            self.returns(0, {"statusCode": 200})
        assert self.core.due() is None
        parts = (self.core, self.core._invocations, self.core._rest, self.core._websocket)
        held = [(name, value) for part in parts for name, value in vars(part).items()]
        kept = [(name, value) for name, value in held if isinstance(value, (dict, list))]
        assert len(kept) == 6  # the core has no map that this test does not look at
        assert [(name, value) for name, value in kept if value] == []

    def feed(self, event: Input) -> None:
        self.core.receive(event, self.now)
        self.perform()

    def perform(self) -> None:
        assert all(str(note) for note in self.core.notes())
        for effect in self.core.effects():
            self.check(effect)
        assert self.to_disconnect <= self.lost or "$disconnect" not in self.api.websocket
        self.to_disconnect.clear()

    def check(self, effect: Effect) -> None:
        match effect:
            case Invoke():
                assert effect.invocation_id not in self.ever_run
                self.running.append(effect.invocation_id)
                self.ever_run.add(effect.invocation_id)
                json.dumps(effect.event)
                if effect.function == FUNCTIONS["$disconnect"]:
                    connection = effect.event["requestContext"]["connectionId"]
                    assert connection not in self.lost
                    self.to_disconnect.remove(connection)
            case Respond():
                self.unanswered.remove(effect.request_id)
                sendable(effect.reply)
            case Accept():
                self.becomes(effect.connection_id, State.ASKED, State.OPEN)
            case Refuse():
                self.becomes(effect.connection_id, State.ASKED, State.OVER)
                sendable(effect.reply)
            case Send():
                self.becomes(effect.connection_id, State.OPEN, State.OPEN)
            case Close():
                self.becomes(effect.connection_id, State.OPEN, State.OVER)
                self.to_disconnect.add(effect.connection_id)

    def becomes(self, connection: str, before: State, after: State) -> None:
        assert self.connections[connection] is before
        self.connections[connection] = after
        self.active[connection] = self.now


def sendable(reply: Reply) -> None:
    """No part of an answer can break out of its place on the wire."""
    assert 200 <= reply.status <= 599
    for name, value in reply.headers:
        assert name.isascii()
        assert not {"\r", "\n", "\0", ":"} & set(name)
        assert not {"\r", "\n", "\0"} & set(value)


STEADY = settings(derandomize=True, database=None, deadline=None)
"""Each run takes the same examples: what fails here fails everywhere."""


def test_whatever_comes_nothing_raises_and_each_peer_gets_one_answer_and_nothing_is_left_behind() -> None:
    run_state_machine_as_test(Shell, settings=settings(STEADY, max_examples=250, stateful_step_count=30))


@settings(STEADY, max_examples=300)
@given(result=results | policies | anything)
@example({"statusCode": "9" * 5_000})
def test_whatever_a_function_returns_each_who_waits_for_it_gets_one_answer(result: Any) -> None:
    shell = Shell()
    shell.deploy(set(FUNCTIONS), functions_return=True)
    for path in ("/", "/mine", "/brief", "/rooms/a"):
        shell.request("GET", path, "", (("Authorization", "alice"), ("Accept", "application/octet-stream")))
    shell.shake_hands("alice=", "/", "", ())
    shell.shake_hands("bob=", "/", "", ())
    shell.returns(-1, {"statusCode": 200})
    shell.send("bob=", "hi", 0)
    shell.leave("bob=", 1000, "")
    while shell.running:
        shell.returns(0, result)
    assert shell.unanswered == set()
    assert shell.connections["alice="] is not State.ASKED
    shell.teardown()


# --- who says who he is

KEY, SECRET = "AKID", "secret"
stamps = st.sampled_from(["20250316T004622Z", "99991231T235959Z", "00010101T000000Z", "20250316", "2025-03-16"]) | texts
dates = (
    st.sampled_from(
        [
            "Sun, 16 Mar 2025 00:46:22 GMT",
            "Fri, 31 Dec 9999 23:59:59 -0500",
            "Mon, 01 Jan 99999999999999 00:00:00 GMT",
            "Sun, 16 Mar 2025 00:46:22 +99999999999",
        ]
    )
    | texts
)
days = st.sampled_from(["20250316", "99991231", "00010101"]) | texts
credentials = st.builds("{}/{}/us-east-1/execute-api/aws4_request".format, st.sampled_from([KEY, "x"]), days) | texts
signed_headers = st.sampled_from(["host", "host;x-amz-date", "HOST;date;;", ""]) | texts
parameters = st.fixed_dictionaries(
    {"Credential": credentials, "SignedHeaders": signed_headers, "Signature": st.just("0" * 64) | texts},
    optional={"Date": stamps, "Expires": st.sampled_from(["1", "0", "604800", "-1", "9" * 5_000, "٣"]) | texts},
)
algorithms = st.sampled_from(["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "Bearer", ""]) | texts


@settings(STEADY, max_examples=500)
@given(
    algorithm=algorithms,
    said=parameters,
    headers=st.lists(
        st.tuples(st.just("Date"), dates) | st.tuples(st.just("X-Amz-Date"), stamps) | st.tuples(names, texts),
        max_size=3,
    ),
    path=paths,
    presigned=st.booleans(),
)
def test_whatever_is_said_to_be_signed_is_answered(
    algorithm: str, said: dict[str, str], headers: list[tuple[str, str]], path: str, presigned: bool
) -> None:
    query = ""
    if presigned:
        query = f"X-Amz-Algorithm={algorithm}&" + "&".join(f"X-Amz-{name}={value}" for name, value in said.items())
    else:
        listed = ", ".join(f"{name}={value}" for name, value in said.items())
        headers = [("Authorization", f"{algorithm} {listed}"), *headers]
    core = GatewayCore(Api(routes=ROUTES, access_keys={KEY: SECRET}), lambda: "id", lambda: "id")
    for where in ("/signed", f"/nowhere{path}"):
        core.receive(Request("1", "GET", where, query, tuple(headers)), NOON)
        (effect,) = core.effects()
        assert isinstance(effect, Respond)
        assert effect.reply.status in (403, 404, 413, 431)
        sendable(effect.reply)
    call = core.call(Request("1", "GET", f"/api/@connections/a{path}", query, (*headers, ("Host", "localhost"))), NOON)
    assert call is not None
    assert core.manage(call, NOON).status == 403


POOL = "arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_x"
claims = st.fixed_dictionaries(
    {
        "iss": st.just("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"),
        "token_use": st.sampled_from(["id", "access"]),
        "exp": st.sampled_from([NOON + 1, 1e400, -(10**400), True]) | scalars,
    },
    optional={"iat": scalars, "scope": anything, "sub": anything, "cognito:groups": anything},
)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@settings(STEADY, max_examples=300)
@given(head=st.just({"alg": "RS256"}) | anything, said=claims | anything, scopes=st.sampled_from([(), ("a",)]))
def test_whatever_a_token_says_is_answered_or_understood(head: Any, said: Any, scopes: tuple[str, ...]) -> None:
    pool = Authorizer(AuthorizerKind.COGNITO, "pool", pools=(POOL,), scopes=scopes)
    api = Api(routes=(Route("/pool", frozenset({"GET"}), authorizers={"GET": pool}),))
    core = GatewayCore(api, lambda: "id", lambda: "id")
    token = f"{encoded(head)}.{encoded(said)}.c2ln"
    core.receive(Request("1", "GET", "/pool", headers=(("Authorization", f"Bearer {token}"),)), NOON)
    (effect,) = core.effects()
    if isinstance(effect, Invoke):
        told = effect.event["requestContext"]["authorizer"]["claims"]
        assert all(isinstance(value, str) for value in told.values())
        assert told.keys() == said.keys()
    else:
        assert isinstance(effect, Respond)
        assert effect.reply.status in (401, 431)


codings = st.sampled_from(["gzip", "deflate", "identity", "br", "", "gzip, gzip"]) | texts
accepted = st.sampled_from(["gzip", "gzip;q=0", "deflate;q=nan, gzip;q=1e999", "*", ";q=1,", "gzip;q="]) | texts
bodies = st.sampled_from([b"", gzip.compress(b"x"), zlib.compress(b"x"), gzip.compress(b"x")[:-1]]) | st.binary(
    max_size=40
)


@settings(STEADY, max_examples=200)
@given(coding=codings, accept=accepted, body=bodies, minimum=st.sampled_from([None, 0, 1, 10]), returned=texts)
def test_whatever_is_compressed_is_read_or_answered(
    coding: str, accept: str, body: bytes, minimum: int | None, returned: str
) -> None:
    core = GatewayCore(Api(routes=ROUTES, minimum_compression=minimum), lambda: "id", lambda: "id")
    headers = (("Content-Encoding", coding), ("Accept-Encoding", accept))
    core.receive(Request("1", "POST", "/rooms/a", "", headers, body), NOON)
    (effect,) = core.effects()
    if isinstance(effect, Invoke):
        core.receive(Returned("id", {"statusCode": 200, "body": returned}), NOON)
        (effect,) = core.effects()
        assert isinstance(effect, Respond)
        assert read(effect.reply.headers, effect.reply.body).decode() == returned
    else:
        assert isinstance(effect, Respond)
        assert effect.reply.status == 415
