"""Answers as botocore and aiobotocore get them from their HTTP clients, and bodies that aiobotocore streams.

One response serves both: aiobotocore awaits a response's content and reads a stream, aiohttp's response, by coroutines.
Which of the two is asking cannot be told from a request.
"""

from __future__ import annotations

import inspect
import io
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.endpoint import convert_to_response_dict
from botocore.parsers import create_parser

from pytest_sessionplugin.aws import wire
from pytest_sessionplugin.aws.wire import Answer

if TYPE_CHECKING:
    import asyncio

Result = TypeVar("Result")


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


def is_awaited() -> bool:
    """Whether a coroutine of aiobotocore asks, which awaits what a handler returns."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not str(frame.f_globals.get("__name__")).startswith("aiobotocore."):
        frame = frame.f_back
    return frame is not None


async def in_thread(work: Callable[[], Result]) -> Result:
    """The result of work that may wait, while the event loop goes on. An executor of the loop would hold up its end."""
    import asyncio

    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            give = partial(_give, done, done.set_result, work())
        except BaseException as error:  # noqa: BLE001 - the awaiting coroutine raises it
            give = partial(_give, done, done.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(give)

    context = copy_context()
    threading.Thread(target=context.run, args=(run,), name="waits for AWS", daemon=True).start()
    return await done


def _give(done: asyncio.Future[Any], give: Callable[[Any], None], result: object) -> None:
    if not done.done():  # as it is once it was cancelled
        give(result)


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
