"""What moto (5.1 to 5.2) posts itself, past botocore, to endpoints of SNS and Firehose. It stays on this machine.

A mock of `requests` (responses) answers as ever. Where no door is open, moto does as it always does.
"""

from __future__ import annotations

import sys
from typing import Any

import requests
import responses
from requests.adapters import HTTPAdapter

from pytest_sessionplugin.aws.door import NotEmulated
from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.aws.hook import HOOK

POSTING = ("moto.sns.models", "moto.firehose.models")


class _Requests:
    """The module `requests` as they see it."""

    def post(self, url: str, **arguments: Any) -> Any:
        mocked = HTTPAdapter.send is not responses._real_send
        if HOOK.door is not None and not mocked and not on_loopback(url):
            raise NotEmulated(f"it posts to {url}, and nothing leaves this machine: mock that with responses.")
        return requests.post(url, **arguments)  # noqa: S113 - the time-out is the caller's

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)


def keep_here() -> None:
    """To be asked before each call: moto imports a service when it is first called."""
    for name in POSTING:
        module: Any = sys.modules.get(name)
        if module is not None and module.requests is requests:
            module.requests = _Requests()
