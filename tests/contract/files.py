"""Small contracts for the tests of this room, as texts of YAML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from pytest_sessionplugin.contract.documents import ContractNode, Documents
from pytest_sessionplugin.gateway.values import Observed

Result = TypeVar("Result")

ROOMS = """
openapi: 3.1.0
info: {title: rooms, version: "1"}
paths:
  /rooms/{name}:
    parameters:
      - {name: name, in: path, required: true, schema: {type: string, pattern: "^[a-z ]+$"}}
    get:
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 10}}
        - {name: tags, in: query, schema: {type: array, items: {type: boolean}}}
        - {name: X-Depth, in: header, schema: {type: number}}
        - {name: theme, in: cookie, schema: {enum: [dark, light]}}
      responses:
        200:
          headers:
            X-People: {required: true, schema: {type: integer}}
            Content-Type: {required: true}
          content:
            application/json: {schema: {$ref: "#/components/schemas/Room"}}
            text/*: {schema: {type: string, maxLength: 5}}
        304: {description: not changed}
        4XX: {content: {application/problem+json: {}}}
        504: {x-answered-by: API Gateway, content: {application/problem+json: {}}}
    post:
      security: [{token: []}]
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [people, id]
              additionalProperties: false
              properties: {people: {type: integer}, id: {type: integer, readOnly: true}}
      responses: {"201": {description: made}}
  /rooms/lobby:
    get: {responses: {200: {description: the lobby}}}
components:
  securitySchemes:
    token: {type: http, scheme: bearer}
    key: {type: apiKey, in: query, name: api-key}
  schemas:
    Room:
      type: object
      required: [people, secretToken]
      properties:
        people: {type: integer}
        secretToken: {type: string, maxLength: 8}
        password: {type: string, writeOnly: true}
"""

CHAT = """
asyncapi: 3.0.0
info: {title: chat, version: "1"}
channels:
  room:
    address: /
    bindings:
      ws:
        query:
          type: object
          required: [room]
          properties: {room: {type: string}, depth: {type: integer}}
          additionalProperties: false
        headers: {type: object, properties: {Authorization: {type: string, pattern: "^Bearer "}}}
    messages:
      hello: {$ref: "#/components/messages/hello"}
      welcome: {$ref: "#/components/messages/welcome"}
operations:
  hello:
    action: receive
    channel: {$ref: "#/channels/room"}
    messages: [{$ref: "#/channels/room/messages/hello"}]
    reply: {messages: [{$ref: "#/channels/room/messages/welcome"}]}
  tell:
    action: send
    channel: {$ref: "#/channels/room"}
    messages: [{$ref: "#/components/messages/no"}, {$ref: "#/components/messages/note"}]
components:
  messages:
    hello: {payload: {type: object, required: [action], properties: {action: {const: hello}}}}
    welcome:
      payload:
        schemaFormat: application/schema+json;version=draft-2020-12
        schema:
          type: object
          required: [type, pair]
          properties: {type: {const: welcome}, pair: {prefixItems: [{type: integer}], items: false}}
    no: {name: refused, x-refusal: true, payload: {type: object, required: [no], properties: {no: {const: true}}}}
    note: {contentType: text/plain, x-answered-by: API Gateway, payload: {type: string, pattern: "^note"}}
"""


def opened(folder: Path, text: str, name: str = "api.yaml", **others: str) -> ContractNode:
    """The file with this text; `others` are written beside it, as `room="…"` to room.yaml."""
    for other, content in others.items():
        (folder / f"{other}.yaml").write_text(dedent(content))
    (folder / name).write_text(dedent(text))
    return Documents(folder).open(folder / name)


def at_depth(frames: int, work: Callable[[], Result]) -> Result:
    """The result of `work`, called below so many more frames."""
    return work() if frames == 0 else at_depth(frames - 1, work)


def nested(levels: int, innermost: Any = None) -> Any:
    """Lists in each other."""
    value = [] if innermost is None else innermost
    for _ in range(levels):
        value = [value]
    return value


def traced(*crossed: Any) -> list[Observed]:
    return [Observed(float(number), what) for number, what in enumerate(crossed)]
