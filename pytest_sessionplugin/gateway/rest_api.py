"""The REST API: a request comes in, its authorizer and its function are asked, an answer goes out. It runs neither."""

from __future__ import annotations

from . import api_keys, authorizers, codings, iam, policies, rest, shapes
from .invocations import Emit, Invocations
from .policies import Question
from .results import Answer
from .values import REST_FUNCTION, Api, Claims, Grant, Ids, Reply, Request, Respond, Returned


class RestApi:
    def __init__(self, api: Api, ids: Ids, invocations: Invocations, emit: Emit) -> None:
        self._api, self._ids, self._invocations, self._emit = api, ids, invocations, emit
        self._router = rest.Router(api)
        self._policies = policies.Policies()

    def redeploy(self, api: Api, *, asked_anew: bool) -> None:
        """What authorizers answered that are gone is forgotten; if they are `asked_anew`, whatever any has."""
        self._api = api
        self._router = rest.Router(api)
        # Another object: a question that is open was put to the old authorizer, and answers for no request to come.
        self._policies = policies.Policies() if asked_anew else self._policies.of(authorizers.of(api))

    def check_claims(self, method: str, path: str, claims: Claims) -> None:
        """Raises ValueError if the route that such a request reaches could not be given these claims."""
        match = self._router.find(path)
        if match is not None and method in match.route.methods:
            authorizers.claimed(match.route, method, claims)

    def receive(self, request: Request, now: float, signers_now: float) -> None:
        """`signers_now` is the time that whoever signs has."""
        match = rest.admit(self._router, request, self._api)
        if match is None:
            match = iam.nowhere(request, self._router.without_stage(request.path), self._api, signers_now)
        if isinstance(match, Reply):
            self._respond(request, match)
            return
        plain = codings.plain(request, rest.MAX_BODY)
        if isinstance(plain, Reply):
            self._respond(request, plain)
            return
        verdict = authorizers.examine(request, match, self._api, now, signers_now)
        if isinstance(verdict, Question):
            self._ask(plain, match, verdict, now)
        else:
            self._proceed(plain, match, verdict, now, now)

    def _ask(self, request: Request, match: rest.Match, question: Question, received: float) -> None:
        if policy := self._policies.find(question, received):
            self._proceed(request, match, policy.verdict(question.method_arn), received, received)
            return

        kept = self._policies

        def settle(returned: Returned | None, now: float) -> None:
            answer = policies.read_answer(returned)
            if isinstance(answer, Reply):
                self._respond(request, answer)
            else:
                kept.keep(question, answer, now)
                verdict = answer.verdict(question.method_arn, now - received)
                self._proceed(request, match, verdict, received, now)

        self._invocations.start(question.authorizer.name, self._ids(), question.event, received, settle)

    def _proceed(
        self, request: Request, match: rest.Match, verdict: Grant | Reply, received: float, now: float
    ) -> None:
        if isinstance(verdict, Reply):
            self._respond(request, verdict)
            return
        key = api_keys.identify(request, match, self._api)
        if isinstance(key, Reply):
            self._respond(request, key)
            return
        event = shapes.rest_event(
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

        def settle(answer: Answer, now: float) -> None:
            self._respond(request, rest.reply_to(request, answer, self._api))

        self._invocations.ask(REST_FUNCTION, self._ids(), event, now, settle)

    def _respond(self, request: Request, reply: Reply) -> None:
        headers = (*reply.headers, ("x-amzn-RequestId", request.id))
        body = b"" if request.method == "HEAD" else reply.body
        self._emit(Respond(request.id, Reply(reply.status, headers, body)))
