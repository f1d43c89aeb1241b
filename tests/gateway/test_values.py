"""The values that cross the gateway: names of an account's APIs, headers, and hosts of this machine."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pytest_sessionplugin.gateway.values import Api, Message, header, on_loopback


def test_a_header_is_found_in_any_spelling_and_the_last_value_counts() -> None:
    headers = (("X-A", "1"), ("x-a", "2"), ("B", "3"))
    assert (header(headers, "x-a"), header(headers, "c")) == ("2", None)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1", "ws://127.9.9.9/x", "http://[::1]:80/", "//LOCALHOST:1"]
)
def test_this_machine_is_on_loopback(url: str) -> None:
    assert on_loopback(url)


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://localhost.example", "http://10.0.0.1", "http://[::1", "//127.0.0.1.example:80"]
)
def test_any_other_host_is_not(url: str) -> None:
    assert not on_loopback(url)


def test_the_apps_of_an_account_have_apis_of_their_own() -> None:
    first, third = Api().numbered(0), Api().numbered(2)
    assert first == Api()
    assert (third.rest_api_id, third.websocket_api_id) == ("r3stapi002", "w3bs0ck002")


@pytest.mark.parametrize(
    ("region", "partition", "host"),
    [
        ("us-east-1", "aws", "a.execute-api.us-east-1.amazonaws.com"),
        ("cn-north-1", "aws-cn", "a.execute-api.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "a.execute-api.us-gov-west-1.amazonaws.com"),
    ],
)
def test_partition_and_host_follow_the_region(region: str, partition: str, host: str) -> None:
    api = Api(region=region)
    assert (api.partition, api.host("a")) == (partition, host)


def test_a_value_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Message("alice", "hi").data = "other"  # type: ignore[misc]


def test_credentials_of_an_account_are_not_in_its_repr() -> None:
    assert "s3cret" not in repr(Api(api_keys=frozenset({"s3cret"}), access_keys={"s3cret": "s3cret"}))
