"""Children reach the account through a port that opens with the first of them, and only with its key."""

from __future__ import annotations

import os
import socket
import threading
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.children.listener import Children
from pytest_sessionplugin.children.starts import STARTS

BEGIN = (
    b'{"verb": "begin", "call": ["dynamodb", "ListTables"], "url": "https://dynamodb.amazonaws.com/", "needs": []}\n'
)


class Account:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.begun: list[Call] = []

    def begin(self, call: Call, url: str) -> None:
        self.begun.append(call)

    def attempt(self, call: Call, protocol: str, request: Any) -> Answer | None:
        return None

    def admit(self, host: str) -> None: ...

    def answer(self, host: str, request: Any) -> Answer | None:
        return None

    def waited(self, seconds: float) -> None:
        pass

    def held_back(self, seconds: float) -> None: ...

    def sleep(self, seconds: float) -> None:
        pass


def post(address: str, message: bytes = BEGIN) -> tuple[int, bytes]:
    url = address.partition("#")[0]
    try:
        with urllib.request.urlopen(url, message, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_nothing_is_opened_before_the_first_process() -> None:
    threads = threading.enumerate()
    with Children(Account(), "a test").reached():
        assert threading.enumerate() == threads


@pytest.mark.sockets
def test_a_process_is_answered_until_the_account_is_closed() -> None:
    account = Account()
    with Children(account, "tests/a b.py::test").reached():
        address = STARTS.account()
        assert address is not None
        assert address.endswith("#tests/a%20b.py%3A%3Atest")
        assert post(address) == (200, b"{}\n")
        assert [str(call) for call in account.begun] == ["dynamodb:ListTables"]
    with pytest.raises(URLError):
        post(address)
    assert STARTS.account() is None
    assert len(account.begun) == 1


@pytest.mark.sockets
def test_a_client_without_the_key_is_not_answered() -> None:
    account = Account()
    with Children(account, "a test").reached():
        address = str(STARTS.account())
        place = address.rpartition("/")[0]
        assert [post(f"{place}/{key}")[0] for key in ("", "another", "%C3%A9")] == [403, 403, 403]
    assert account.begun == []


@pytest.mark.sockets
def test_each_account_has_a_key_of_its_own() -> None:
    first, second = Children(Account(), "a"), Children(Account(), "b")
    with first.reached(), second.reached():
        path = first.account().partition("#")[0].rpartition("/")[2]
        assert first.knows(f"/{path}")
        assert not second.knows(f"/{path}")


def test_where_nothing_may_listen_a_process_starts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("sockets are blocked")

    monkeypatch.setattr(socket, "socket", refuse)
    with Children(Account(), "a test").reached():
        assert STARTS.account() == (
            "the process that started this one cannot listen on loopback (RuntimeError: sockets are blocked)."
        )


@pytest.mark.sockets
def test_an_account_that_closes_waits_for_the_call_that_it_answers() -> None:
    begun, go_on, answers = threading.Event(), threading.Event(), []

    class Slow(Account):
        def begin(self, call: Call, url: str) -> None:
            begun.set()
            go_on.wait(10)
            super().begin(call, url)

    account = Slow()
    children = Children(account, "a test")
    with children.reached():
        address = children.account()
        asking = threading.Thread(target=lambda: answers.append(post(address)))
        asking.start()
        assert begun.wait(10)
        threading.Timer(0.05, go_on.set).start()
    assert len(account.begun) == 1
    asking.join(10)
    assert answers == [(200, b"{}\n")]


@pytest.mark.sockets
@pytest.mark.process
def test_a_fork_lets_go_of_the_port() -> None:
    """Else a child that outlives the account would wait for ever for an answer from its brother."""
    read, write = os.pipe()
    is_here, says_so = os.pipe()
    with Children(Account(), "a test").reached():
        address = str(STARTS.account())
        pid = os.fork()
        if pid == 0:
            os.close(write)
            os.write(says_so, b"!")
            os.read(read, 1)
            os._exit(0)
        os.read(is_here, 1)
    try:
        with pytest.raises(URLError, match="refused"):
            post(address)
    finally:
        for each in (write, read, is_here, says_so):
            os.close(each)
        os.waitpid(pid, 0)
