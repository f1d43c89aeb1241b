"""An app's contract, and the check of everything that crossed its gateway in a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sessionplugin.contract.stack import on_own_stack
from pytest_sessionplugin.gateway.redaction import redacted
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Handshake,
    Message,
    Observed,
    Refuse,
    Request,
    Respond,
    Send,
)

if TYPE_CHECKING:
    from pytest_sessionplugin.contract.asyncapi import AsyncApi
    from pytest_sessionplugin.contract.coverage import Coverage
    from pytest_sessionplugin.contract.openapi import OpenApi


@dataclass(frozen=True)
class Deviation:
    """An answer, a request or a frame that is off the contract."""

    seen: Observed
    sentence: str
    place: str  # in the contract


class Contract:
    """The files of a project: OpenAPI for its HTTP API, AsyncAPI for its WebSocket API, or one of them."""

    def __init__(self, openapi: OpenApi | None, asyncapi: AsyncApi | None, coverage: Coverage) -> None:
        self._openapi, self._asyncapi, self._coverage = openapi, asyncapi, coverage
        if openapi is not None:
            coverage.expect(openapi.name, "openapi", openapi.expected())
        if asyncapi is not None:
            coverage.expect(asyncapi.name, "asyncapi", asyncapi.expected())

    @classmethod
    def read(cls, files: Mapping[str, Path], root: Path, coverage: Coverage) -> Contract:
        """Raises ContractError."""
        from pytest_sessionplugin.contract.asyncapi import AsyncApi
        from pytest_sessionplugin.contract.documents import Documents
        from pytest_sessionplugin.contract.openapi import OpenApi

        documents = Documents(root)
        openapi = OpenApi(documents.open(files["openapi"])) if "openapi" in files else None
        asyncapi = AsyncApi(documents.open(files["asyncapi"])) if "asyncapi" in files else None
        return cls(openapi, asyncapi, coverage)

    def check(self, trace: Sequence[Observed], stage: str, *, emulated: bool) -> list[Deviation]:
        """Everything in a trace that is off the contract, in order; the rest counts as seen.

        `stage` may stand in front of a path. `emulated`: the gateway is the plugin's, not AWS's.
        """
        return on_own_stack(lambda: self._check(trace, stage, emulated))

    def _check(self, trace: Sequence[Observed], stage: str, emulated: bool) -> list[Deviation]:
        found: list[Deviation] = []
        if self._openapi is not None:
            found += self._exchanges(self._openapi, trace, stage, emulated)
        if self._asyncapi is not None:
            found += Frames(self._asyncapi, self._coverage).check(trace)
        places = {id(seen): number for number, seen in enumerate(trace)}
        return sorted(found, key=lambda each: places[id(each.seen)])

    def _exchanges(
        self, openapi: OpenApi, trace: Sequence[Observed], stage: str, emulated: bool
    ) -> Iterator[Deviation]:
        requests: dict[str, Request] = {}
        for seen in trace:
            if isinstance(seen.what, Request):
                requests[seen.what.id] = seen.what
            elif isinstance(seen.what, Respond) and (request := requests.pop(seen.what.request_id, None)) is not None:
                findings, covered = openapi.check(request, seen.what.reply, stage, emulated=emulated)
                if covered is not None:
                    self._coverage.see(openapi.name, covered)
                yield from (Deviation(seen, sentence, place) for sentence, place in findings)


class Frames:
    """The check of the frames and handshakes of one trace.

    A client may send a frame that is off the contract if the app refuses it: with a message that is marked as a
    refusal, or by closing.
    """

    def __init__(self, asyncapi: AsyncApi, coverage: Coverage) -> None:
        self._asyncapi, self._coverage = asyncapi, coverage
        self._handshakes: dict[str, Observed] = {}
        self._unrefused: dict[str, list[Deviation]] = defaultdict(list)  # by connection
        self._known: dict[tuple[str, str | bytes], tuple[bool, str, str]] = {}  # many connections get the same frame

    def check(self, trace: Sequence[Observed]) -> list[Deviation]:
        found: list[Deviation] = []
        for seen in trace:
            match seen.what:
                case Handshake(connection_id=id):
                    self._handshakes[id] = seen
                case Refuse(connection_id=id):
                    self._handshakes.pop(id, None)
                case Accept(connection_id=id):
                    found += self._accepted(id)
                case Message(connection_id=id, data=data):
                    fits, sentence, place = self._verdict("receive", data)
                    if not fits:
                        sentence = f"a client sent a frame that was not refused, {sentence}"
                        self._unrefused[id].append(Deviation(seen, sentence, place))
                case Send(connection_id=id, text=text):
                    fits, sentence, place = self._verdict("send", text)
                    if not fits:
                        found.append(Deviation(seen, f"the app sent a frame, {sentence}", place))
                    elif sentence and (waiting := self._unrefused[id]):
                        del waiting[0]
                case Close(connection_id=id):
                    self._unrefused.pop(id, None)
        return [*found, *(each for waiting in self._unrefused.values() for each in waiting)]

    def _accepted(self, id: str) -> Iterator[Deviation]:
        seen = self._handshakes.pop(id, None)
        if seen is not None and isinstance(seen.what, Handshake):
            finding = self._asyncapi.wrong_handshake(seen.what)
            if finding is not None:
                yield Deviation(seen, f"a handshake was accepted {redacted(finding[0])}", finding[1])

    def _verdict(self, action: str, data: str | bytes) -> tuple[bool, str, str]:
        """Whether a frame fits; then `refusal` if it is one, else why it does not fit, and the place."""
        if (action, data) not in self._known:
            kind = self._asyncapi.fitting(action, data)
            if kind is None:
                self._known[action, data] = (False, *self._asyncapi.wrong(action, data))
            else:
                self._coverage.see(self._asyncapi.name, f"{action} {kind.name}")
                self._known[action, data] = (True, "refusal" if kind.is_refusal else "", "")
        return self._known[action, data]
