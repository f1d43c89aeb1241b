"""AsyncAPI 3.0: the messages of each direction, and whether a frame or a handshake is one of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pytest_sessionplugin.contract.documents import RECEIVE, SEND, ContractNode, version_of
from pytest_sessionplugin.contract.openapi import ANSWERED_BY, UNREAD, Finding, is_json, typed
from pytest_sessionplugin.contract.schemas import DRAFT_07, DRAFT_2020_12, OPENAPI_30, Mismatch, Schemas, parsed
from pytest_sessionplugin.errors import ContractError
from pytest_sessionplugin.gateway.values import Handshake

REFUSAL = "x-refusal"
"""`true` in a message with which the app refuses a frame that is off the contract."""


@dataclass(frozen=True)
class MessageKind:
    """A message of one direction."""

    name: str
    node: ContractNode
    content_type: str

    @property
    def is_refusal(self) -> bool:
        return self.node.value.get(REFUSAL) is True


class AsyncApi:
    """`root` is the whole file. Raises ContractError if it is not AsyncAPI 3.0."""

    def __init__(self, root: ContractNode) -> None:
        version_of(root, "asyncapi")
        self._root = root
        self._schemas = Schemas(DRAFT_07)
        self._default = root.text("defaultContentType") or "application/json"
        self._kinds: dict[str, dict[ContractNode, MessageKind]] = {RECEIVE: {}, SEND: {}}
        for _, channel in _items(root.get("channels")) if not _items(root.get("operations")) else ():
            self._take(channel, RECEIVE, SEND)
        for _, operation in _items(root.get("operations")):
            self._take_operation(operation)
        if not any(self._kinds.values()):
            raise ContractError(root.place, "it has no messages: neither in `operations` nor in `channels`.")
        found = (channel.get("bindings", "ws") for _, channel in _items(root.get("channels")))
        self._bindings = [binding for binding in found if binding is not None]

    @property
    def name(self) -> str:
        return self._root.documents.name(self._root.uri)

    def expected(self) -> Iterator[tuple[str, str]]:
        """Parts to be seen in a run, as `receive hello`, with whoever sends it in place of the app."""
        for action, kinds in self._kinds.items():
            for kind in kinds.values():
                yield f"{action} {kind.name}", kind.node.text(ANSWERED_BY) or ""

    def fitting(self, action: str, data: str | bytes) -> MessageKind | None:
        """The first message of a direction that a frame is."""
        return next((kind for kind in self._kinds[action].values() if self._fits(kind, data)), None)

    def wrong(self, action: str, data: str | bytes) -> Finding:
        """The mismatch of a frame that fits none of its direction: with the message that comes closest."""
        kinds = list(self._kinds[action].values())
        if not kinds:
            return f"and the contract has no message to {action}", f"{self.name}#/operations"
        kinds = [kind for kind in kinds if kind.node.text(ANSWERED_BY) is None] or kinds
        found = [(self._mismatches(kind, data), kind) for kind in kinds]
        mismatches, kind = min(found, key=_distance)
        if any(map(_is_another, mismatches)) and len(kinds) > 1:
            names = ", ".join(each.name for each in kinds)
            return f"and it is not one of the messages {names}", f"{self.name}#/operations"
        first = mismatches[0]
        where = f" at {first.pointer}" if first.pointer else ""
        return f"and it is not the message `{kind.name}`{where}: {first.sentence}", first.place

    def wrong_handshake(self, handshake: Handshake) -> Finding | None:
        """Why an accepted handshake is not one of the contract: its query, or a header."""
        found = [self._wrong_handshake(binding, handshake) for binding in self._bindings]
        return None if None in found else next(iter(found), None)

    # --- frames

    def _fits(self, kind: MessageKind, data: str | bytes) -> bool:
        payload, dialect = _payload(kind)
        try:
            return payload is None or self._schemas.fits(payload, _value(kind, data), dialect=dialect)
        except ValueError:
            return False

    def _mismatches(self, kind: MessageKind, data: str | bytes) -> list[Mismatch]:
        payload, dialect = _payload(kind)
        try:
            value = _value(kind, data)
        except ValueError as error:
            return [Mismatch("", str(error), kind.node.place)]
        return [] if payload is None else self._schemas.mismatches(payload, value, of_request=False, dialect=dialect)

    # --- handshakes

    def _wrong_handshake(self, binding: ContractNode, handshake: Handshake) -> Finding | None:
        query: dict[str, list[str]] = {}
        for name, text in parse_qsl(handshake.query, keep_blank_values=True):
            query.setdefault(name, []).append(text)
        for word, sent in (("query", query), ("headers", _headers(binding, handshake))):
            if (schema := binding.get(word)) is None:
                continue
            properties = schema.get("properties")
            read = {name: _typed(values, properties, name) for name, values in sent.items()}
            value = {name: each for name, each in read.items() if each is not UNREAD}
            for mismatch in self._schemas.mismatches(schema, value, of_request=True):
                where = f" at {mismatch.pointer}" if mismatch.pointer else ""
                return f"with {word}{where} off the contract: {mismatch.sentence}", mismatch.place
        return None

    # --- reading the file

    def _take_operation(self, operation: ContractNode) -> None:
        action, reply = operation.text("action"), operation.get("reply")
        if action not in (RECEIVE, SEND):
            raise ContractError(operation.place, "`action` must be receive or send.")
        channel = operation.get("channel")
        if channel is None:
            raise ContractError(operation.place, "it has no `channel`.")
        self._take(operation if operation.get("messages") is not None else channel, action)
        if reply is not None:
            owner = reply if reply.get("messages") is not None else reply.get("channel")
            if owner is not None:
                self._take(owner, SEND if action == RECEIVE else RECEIVE)

    def _take(self, owner: ContractNode, *actions: str) -> None:
        for key, message in _items(owner.get("messages")):
            name = message.text("name") or (key if not key.isdigit() else message.path[-1])
            kind = MessageKind(name, message, message.text("contentType") or self._default)
            for action in actions:
                self._kinds[action].setdefault(message, kind)


def _items(node: ContractNode | None) -> list[tuple[str, ContractNode]]:
    return list(node.items()) if node is not None else []


def _payload(kind: MessageKind) -> tuple[ContractNode | None, str | None]:
    """The schema of a message, and its dialect if it has one of its own."""
    payload = kind.node.get("payload")
    form = payload.text("schemaFormat") if payload is not None else None
    if payload is None or form is None:
        return payload, None
    return payload.get("schema"), _dialect(form, payload)


def _value(kind: MessageKind, data: str | bytes) -> Any:
    """The value of a frame. Raises ValueError if it is not of the content type."""
    if isinstance(data, bytes):
        raise ValueError("it is binary")  # noqa: TRY004 - it has the wrong form, not the wrong type
    if not is_json(kind.content_type):
        return data
    try:
        return parsed(data)
    except ValueError:
        raise ValueError("it is not JSON") from None


def _distance(found: tuple[list[Mismatch], MessageKind]) -> tuple[bool, int]:
    """Messages whose constants a frame has come first, then those with the fewest mismatches."""
    mismatches, _ = found
    return any(map(_is_another, mismatches)), len(mismatches)


def _is_another(mismatch: Mismatch) -> bool:
    """Whether the mismatch says that the frame is another message: by a constant."""
    return mismatch.place.endswith(("/const", "/enum"))


def _headers(binding: ContractNode, handshake: Handshake) -> Mapping[str, list[str]]:
    """The headers that the binding describes, in its spelling: clients send others as well."""
    described = binding.get("headers", "properties")
    sent: dict[str, list[str]] = {}
    for name in described.value if described is not None else ():
        values = [value for key, value in handshake.headers if key.lower() == name.lower()]
        sent |= {name: values} if values else {}
    return sent


def _typed(values: list[str], properties: ContractNode | None, name: str) -> Any:
    schema = properties.get(name) if properties is not None else None
    return values[-1] if schema is None else typed(values, schema, explode=True)


def _dialect(form: str, payload: ContractNode) -> str | None:
    """The dialect of a `schemaFormat`; None for that of the file. Raises ContractError for another form."""
    if "openapi" in form:
        return OPENAPI_30 if "version=3.0" in form else DRAFT_2020_12
    if "2020-12" in form:
        return DRAFT_2020_12
    if "draft-07" in form:
        return DRAFT_07
    if "schema+" in form or "aai.asyncapi" in form:
        return None
    raise ContractError(payload.place, f"schemaFormat {form} is not JSON Schema.")
