"""The REST API: takes a request to its authorizer and its function, and makes the answer."""

from __future__ import annotations

import base64
import binascii

from pytest_sessionplugin.gateway.core import authorizers, compression, events, routing, sigv4
from pytest_sessionplugin.gateway.core.authorizers import Question
from pytest_sessionplugin.gateway.core.compression import compressed
from pytest_sessionplugin.gateway.core.gateway_responses import TOO_LARGE, WITHOUT_BODY, failure, formed
from pytest_sessionplugin.gateway.core.integration import (
    Emit,
    IntegrationFault,
    IntegrationResult,
    Invocations,
    ProxyResult,
    TakeNote,
    is_too_large,
)
from pytest_sessionplugin.gateway.core.notes import (
    Authorized,
    NoRoute,
    Reason,
    forbidden,
    not_readable,
    wrong_api,
    wrong_content_type,
)
from pytest_sessionplugin.gateway.values import (
    REST_FUNCTION,
    Api,
    Claims,
    Grant,
    Headers,
    Ids,
    Reply,
    Request,
    Respond,
    Returned,
    header,
)


class RestApi:
    def __init__(self, api: Api, ids: Ids, invocations: Invocations, emit: Emit, note: TakeNote) -> None:
        self._api, self._ids, self._invocations, self._emit, self._note = api, ids, invocations, emit, note
        self._router = routing.Router(api)
        self._policies = authorizers.Policies()

    def redeploy(self, api: Api, *, forget_authorizers: bool) -> None:
        """Drops cached answers of removed authorizers, with `forget_authorizers` those of all authorizers."""
        self._api = api
        self._router = routing.Router(api)
        # A new object: a pending question to an old authorizer answers no later request.
        self._policies = authorizers.Policies() if forget_authorizers else self._policies.of(authorizers.of(api))

    def forget_authorizers(self) -> None:
        """Drops the cached answers of all authorizers."""
        self._policies = authorizers.Policies()

    def check_claims(self, method: str, path: str, claims: Claims) -> None:
        """Raises ValueError if the route of such a request cannot receive these claims."""
        match = self._router.find(path)
        if match is not None and method in match.route.methods:
            authorizers.claimed(match.route, method, claims)

    def receive(self, request: Request, now: float, signers_now: float) -> None:
        """`signers_now` is the time by which callers sign."""
        if why := wrong_api(request):
            self._note(Reason(request.id, why))
        match = routing.admit(self._router, request, self._api)
        if match is None:
            self._note(self._no_route(request))
            match = sigv4.nowhere(request, self._router.without_stage(request.path), self._api, signers_now)
        if isinstance(match, Reply):
            if why := forbidden(request, match):
                self._note(Reason(request.id, why))
            self._respond(request, match)
            return
        plain = compression.plain(request, routing.MAX_BODY)
        if isinstance(plain, Reply):
            self._respond(request, plain)
            return
        verdict = authorizers.examine(request, match, self._api, now, signers_now)
        if isinstance(verdict, Question):
            self._ask(plain, match, verdict, now)
            return
        authorizer = match.route.authorizers.get(request.method)
        if authorizer is not None:
            self._note(Authorized(request.id, None if request.claims is not None else authorizer, verdict))
        self._proceed(plain, match, verdict, now, now)

    def _no_route(self, request: Request) -> NoRoute:
        match = self._router.find(request.path)
        path = f"/{self._router.without_stage(request.path)}"
        return NoRoute(request.id, request.method, path, self._api.routes, match.route if match else None)

    def _ask(self, request: Request, match: routing.Match, question: Question, received: float) -> None:
        authorizer = question.authorizer
        if policy := self._policies.find(question, received):
            verdict = policy.verdict(question.method_arn)
            self._note(Authorized(request.id, authorizer, verdict, True, policy.principal_id))
            self._proceed(request, match, verdict, received, received)
            return

        kept = self._policies

        def settle(returned: Returned | None, now: float) -> None:
            answer = authorizers.read_answer(returned)
            if isinstance(answer, Reply):
                self._note(Authorized(request.id, authorizer, answer))
                self._respond(request, answer)
            else:
                kept.keep(question, answer, now)
                verdict = answer.verdict(question.method_arn, now - received)
                self._note(Authorized(request.id, authorizer, verdict, False, answer.principal_id))
                self._proceed(request, match, verdict, received, now)

        self._invocations.start(question.authorizer.name, question.event, received, settle)

    def _proceed(
        self, request: Request, match: routing.Match, verdict: Grant | Reply, received: float, now: float
    ) -> None:
        if isinstance(verdict, Reply):
            self._respond(request, verdict)
            return
        key = authorizers.identify(request, match, self._api)
        if isinstance(key, Reply):
            self._note(Reason(request.id, key.why))
            self._respond(request, key)
            return
        event = events.rest_event(
            self._api,
            request,
            resource=match.route.path,
            path=match.path,
            parameters=dict(match.parameters),
            extended_id=self._ids(),
            now=received,
            authorizer=verdict.authorizer,
            identity={**verdict.identity, **key},
        )
        if is_too_large(event, len(request.body)):
            self._respond(request, TOO_LARGE)
            return

        def settle(answer: IntegrationResult, now: float) -> None:
            self._respond(request, reply_to(request, answer, self._api), by_gateway=not isinstance(answer, ProxyResult))

        self._invocations.ask(request.id, REST_FUNCTION, event, now, settle)

    def _respond(self, request: Request, reply: Reply, *, by_gateway: bool = True) -> None:
        for find in (wrong_content_type, not_readable):
            if (note := find(request, reply, by_gateway=by_gateway)) is not None:
                self._note(note)
        if by_gateway:
            reply = formed(reply, request, self._api.gateway_responses)
        headers = (*reply.headers, ("x-amzn-RequestId", request.id))
        body = b"" if request.method == "HEAD" else reply.body
        self._emit(Respond(request.id, Reply(reply.status, headers, body)))


# Changes to a function's headers: "Amazon API Gateway important notes", in its column for Lambda. AWS lets a length
# pass; here it is always that of the sent body.
_REMAPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-md5",
        "date",
        "max-forwards",
        "server",
        "user-agent",
        "www-authenticate",
    }
)
_DROPPED = frozenset(
    {
        "content-length",
        "expect",
        "host",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)


def reply_to(request: Request, answer: IntegrationResult, api: Api) -> Reply:
    """The HTTP answer to what became of the function."""
    if answer is IntegrationFault.LATE:
        return failure(504, "Endpoint request timed out", "InternalServerErrorException")
    if isinstance(answer, ProxyResult) and (body := _body(request, answer, api)) is not None:
        reply = Reply(answer.status, _headers(answer), b"" if answer.status in WITHOUT_BODY else body)
        return compressed(request, reply, api)
    return failure(502, "Internal server error", "InternalServerErrorException")


def _headers(result: ProxyResult) -> Headers:
    headers = [
        (f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name, value)
        for name, value in result.headers
        if name.lower() not in _DROPPED
    ]
    if result.header("content-type") is None:
        headers.append(("Content-Type", "application/json"))
    return tuple(headers)


def _body(request: Request, result: ProxyResult, api: Api) -> bytes | None:
    """The body to send; None if it must be decoded and is not base64.

    Only the first entry of the client's Accept decides whether base64 is decoded, not the type of the answer.
    """
    if result.is_base64 and _accepts_binary(request, api):
        try:
            return base64.b64decode(result.body, validate=True)
        except (binascii.Error, ValueError):
            return None
    return result.body.encode(errors="replace")


def _accepts_binary(request: Request, api: Api) -> bool:
    accept = header(request.headers, "accept") or ""
    return bool(accept) and events.is_binary(accept.split(",")[0], api)
