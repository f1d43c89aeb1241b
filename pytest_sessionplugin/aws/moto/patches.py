"""Changes to moto 5.1 and 5.2 and to boto3, for as long as an emulator is open.

- `mock_started`: a `mock_aws` that a test starts nests in ours, and moto's own handler in botocore rests.
- `DefaultSession`: boto3's default session is exchanged.
- `nothing_kept`: moto stops tracking every model; a long-running server would leak memory.
- `sleeps_counted`: moto does not sleep while it answers an emulator.
- `posts_stay_here`: SNS and Firehose post to this machine only.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


# --- waiting


@dataclass
class Slept:
    """How long moto would have slept in one request, and when something will be there by itself."""

    seconds: float = 0.0
    due: float | None = None  # in seconds since the epoch

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class _Here(threading.local):
    slept: Slept | None = None  # within a request of an emulator


_here = _Here()


@contextmanager
def sleeps_counted() -> Iterator[Slept]:
    """moto does not sleep in this thread, which holds a lock that others need; the emulator's caller does."""
    _replace_sleeps()
    slept = _here.slept = Slept()
    try:
        yield slept
    finally:
        _here.slept = None


def _replace_sleeps() -> None:
    """Of services whose polls wait. For each call, since moto imports a service on first use."""
    sqs: Any = sys.modules.get("moto.sqs.models")
    if sqs is not None and sqs.SQSBackend.receive_message.__module__ != __name__:
        sqs.SQSBackend.receive_message = _receiving(sqs.SQSBackend.receive_message)
    swf: Any = sys.modules.get("moto.swf.models")
    if swf is not None and swf.sleep is time.sleep:
        swf.sleep = _sleep


def _receiving(original: Callable[..., Any]) -> Callable[..., Any]:
    def receive_message(self: Any, queue_name: str, count: int, wait: int, *rest: Any, **named: Any) -> Any:
        slept = _here.slept
        if slept is None:
            return original(self, queue_name, count, wait, *rest, **named)
        found = original(self, queue_name, count, 0, *rest, **named)
        if not found and wait:
            slept.sleep(wait)
            now = time.time() * 1000
            times = [max(each.visible_at, each.delayed_until) + 1 for each in self.get_queue(queue_name)._messages]
            slept.due = min((each / 1000 for each in times if each > now), default=None)
        return found

    return receive_message


def _sleep(seconds: float) -> None:
    if _here.slept is None:
        time.sleep(seconds)
    else:
        _here.slept.sleep(seconds)


# --- messages


def show_at_once(message: Any) -> None:
    """Makes a message of SQS visible now. moto waits for the next millisecond, and time may stand still."""
    message.visible_at -= 1


POSTING = ("moto.sns.models", "moto.firehose.models")


def posts_stay_here() -> None:
    """Replaces `requests` in the services that post. Called before each call: moto imports a service on first use."""
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
        return requests.post(url, **arguments)  # noqa: S113 - the time-out is the caller's

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)
