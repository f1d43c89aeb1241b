"""Answers as botocore and aiobotocore get them from their HTTP clients, and bodies that aiobotocore streams.

One response serves both: aiobotocore awaits a response's content and reads a stream, aiohttp's response, by coroutines.
Which of the two is asking cannot be told from a request.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.endpoint import convert_to_response_dict
from botocore.parsers import create_parser

from pytest_sessionplugin.aws import wire
from pytest_sessionplugin.aws.wire import Answer


def response(url: str, answer: Answer) -> SdkResponse:
    """The answer as botocore gets it from the network."""
    headers: Any = answer.headers  # a mapping is enough
    return SdkResponse(url, answer.status, headers, Raw(url, answer))


def parsed(model: Any, url: str, answer: Answer) -> tuple[AWSResponse, dict[str, Any]]:
    """The answer as botocore.endpoint parses it, with a typed error, as after a call that was sent."""
    http = response(url, answer)
    raw = convert_to_response_dict(http, model)
    parser = create_parser(wire.protocol(model.service_model))
    result = parser.parse(raw, model.output_shape)
    if answer.status >= 300:
        shape = model.service_model.shape_for_error_code(result.get("Error", {}).get("Code"))
        if shape is not None:
            result.update(parser.parse(raw, shape))
    result["ResponseMetadata"]["RetryAttempts"] = 0
    return http, result


def is_streamed(request: Any) -> bool:
    """Whether only a coroutine can read the body."""
    return inspect.iscoroutinefunction(getattr(request.body, "read", None))


async def read(request: Any) -> AWSPreparedRequest:
    """The same request with its body as bytes. The stream itself is rewound before another attempt."""
    body = await request.body.read()
    return AWSPreparedRequest(request.method, request.url, request.headers, body, request.stream_output)


class Content(bytes):
    """Bytes that may also be awaited."""

    def __await__(self) -> Generator[None, None, Content]:
        yield from ()
        return self


class SdkResponse(AWSResponse):
    """A response whose content aiobotocore may await."""

    @property
    def content(self) -> Content:
        return Content(super().content)


class Raw(io.BytesIO):
    """A body with the interface of urllib3's response, and with that of aiohttp's."""

    def __init__(self, url: str, answer: Answer) -> None:
        super().__init__(answer.body)
        self.url = url
        self.content = AwaitedBody(self)
        self._headers = answer.headers

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        return [(name.encode(), str(value).encode()) for name, value in self._headers.items()]

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()

    async def __aenter__(self) -> Raw:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AwaitedBody:
    """aiohttp's StreamReader of a body that is here already."""

    def __init__(self, body: io.BytesIO) -> None:
        self._body = body

    async def read(self, size: int = -1) -> bytes:
        return self._body.read(size)

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        yield self._body.read(), True

    def at_eof(self) -> bool:
        return self._body.tell() == len(self._body.getbuffer())
