"""Changes to moto 5.1 and 5.2 and to boto3, for as long as an emulator is open.

- `mock_started`: a `mock_aws` that a test starts nests in ours, and moto's own handler in botocore rests.
- `DefaultSession`: boto3's default session is exchanged.
- `nothing_kept`: moto stops tracking every model; a long-running server would leak memory.
- `deferring`: moto neither sleeps nor posts while it answers an emulator; SNS and Firehose post to this machine only.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
import requests
import responses
from moto.core.base_backend import backend_lock
from moto.core.common_models import BaseModel
from moto.core.models import MockAWS, botocore_stubber
from requests.adapters import HTTPAdapter

from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.aws.interceptor import NotEmulated
from pytest_sessionplugin.gateway.values import on_loopback

# --- mocks and sessions


@contextmanager
def mock_started() -> Iterator[None]:
    """Makes moto believe that a mock has been started, so that it takes another one for an inner one."""
    with backend_lock:
        nested, active, enabled = MockAWS._nested_count, MockAWS._mocks_active, botocore_stubber.enabled
        MockAWS._nested_count, MockAWS._mocks_active = nested + 1, True
        botocore_stubber.enabled = False  # botocore calls all handlers: moto's would write everything a second time
    try:
        yield
    finally:
        with backend_lock:
            MockAWS._nested_count, MockAWS._mocks_active = nested, active
            botocore_stubber.enabled = enabled


class DefaultSession:
    """boto3's default session of an emulator. It holds credentials, so the real one is put aside meanwhile."""

    def __init__(self) -> None:
        self._session: Any = None

    @contextmanager
    def in_place(self) -> Iterator[None]:
        before, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, self._session
        try:
            yield
        finally:
            self._session, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, before


# --- memory


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Models are not tracked: moto lists each that was ever made, for a dashboard. One emulator at a time."""
    model: Any = BaseModel
    tracked = vars(model)["__new__"]
    model.__new__ = staticmethod(_untracked(tracked.__func__))
    try:
        yield
    finally:
        model.__new__ = tracked


_LISTS_ARE_READ = "moto.s3."
"""moto closes the files of S3's objects by their lists."""


def _untracked(tracked: Callable[..., Any]) -> Callable[..., Any]:
    def new(kind: Any, *args: Any, **named: Any) -> Any:
        if kind.__module__.startswith(_LISTS_ARE_READ):
            return tracked(kind, *args, **named)
        return super(BaseModel, kind).__new__(kind)

    return new


# --- sleeps and posts


@dataclass
class Deferred:
    """Sleeps and posts of a request, left for its end: the emulator's lock is needed by others."""

    seconds: float = 0.0  # that moto would have slept
    due: float | None = None  # when a queue will have a message by itself, in seconds since the epoch
    posts: list[Callable[[], object]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class _Here(threading.local):
    deferred: Deferred | None = None  # within a request of an emulator


_here = _Here()


@contextmanager
def deferring() -> Iterator[Deferred]:
    """moto neither sleeps nor posts in this thread until the block ends."""
    _replace_sleeps()
    _replace_posts()
    deferred = _here.deferred = Deferred()
    try:
        yield deferred
    finally:
        _here.deferred = None


def _replace_sleeps() -> None:
    """In services whose polls wait. For each call, since moto imports a service on first use."""
    sqs: Any = sys.modules.get("moto.sqs.models")
    if sqs is not None and sqs.SQSBackend.receive_message.__module__ != __name__:
        sqs.SQSBackend.receive_message = _receiving(sqs.SQSBackend.receive_message)
        sqs.Message.visible = property(_is_visible)
    swf: Any = sys.modules.get("moto.swf.models")
    if swf is not None and swf.sleep is time.sleep:
        swf.sleep = _sleep


def _receiving(original: Callable[..., Any]) -> Callable[..., Any]:
    def receive_message(self: Any, queue_name: str, count: int, wait: int, *rest: Any, **named: Any) -> Any:
        deferred = _here.deferred
        if deferred is None:
            return original(self, queue_name, count, wait, *rest, **named)
        found = original(self, queue_name, count, 0, *rest, **named)
        if not found and wait:
            deferred.sleep(wait)
            now = time.time() * 1000
            times = [max(each.visible_at, each.delayed_until) for each in self.get_queue(queue_name)._messages]
            deferred.due = min((each / 1000 for each in times if each > now), default=None)
        return found

    return receive_message


def _is_visible(message: Any) -> bool:
    """From the end of its timeout on. moto waits for the moment after, and time may stand still."""
    visible_at: float = message.visible_at
    return time.time() * 1000 >= visible_at


def _sleep(seconds: float) -> None:
    if _here.deferred is None:
        time.sleep(seconds)
    else:
        _here.deferred.sleep(seconds)


POSTING = ("moto.sns.models", "moto.firehose.models")


def _replace_posts() -> None:
    for name in POSTING:
        module: Any = sys.modules.get(name)
        if module is not None and module.requests is requests:
            module.requests = _Requests()


class _Requests:
    """The module `requests`, without posts to other machines."""

    def post(self, url: str, **arguments: Any) -> Any:
        mocked = HTTPAdapter.send is not responses._real_send
        if HOOK.interceptor is not None and not mocked and not on_loopback(url):
            raise NotEmulated(f"it posts to {url}, and nothing leaves this machine: mock that with responses.")
        post = partial(requests.post, url, **arguments)  # the receiver may call AWS before it answers
        if _here.deferred is None:
            return post()
        _here.deferred.posts.append(post)
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)
