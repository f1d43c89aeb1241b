"""Calls of lambda:Invoke are read in every form, and answered as Lambda does."""

from __future__ import annotations

import json
import math

import pytest

from pytest_sessionplugin.aws import invoke_api
from pytest_sessionplugin.aws.invoke_api import InvokeCall

BASE = "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions"


@pytest.mark.parametrize(
    ("name", "account", "qualifier"),
    [
        ("shop-dev", None, None),
        ("shop-dev%3A%24LATEST", None, "$LATEST"),
        ("123456789012%3Ashop-dev", "123456789012", None),
        ("arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ashop-dev%3A7", "123456789012", "7"),
        ("function%3Ashop-dev%3Alive", None, "live"),
    ],
)
def test_a_name_is_read_in_every_form(name: str, account: str | None, qualifier: str | None) -> None:
    call = invoke_api.read(f"{BASE}/{name}/invocations", {"X-Amz-Invocation-Type": b"Event"}, b"{}")
    assert call == InvokeCall("shop-dev", "us-east-1", account, qualifier, "Event", b"{}")


def test_without_a_type_the_caller_waits_and_the_region_of_an_arn_is_its_own() -> None:
    arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ashop-dev"
    call = invoke_api.read(f"{BASE}/{arn}/invocations?Qualifier=live", {}, b"")
    assert call == InvokeCall("shop-dev", "eu-west-1", "123456789012", "live", "RequestResponse", b"")
    assert call.arn("us-east-1", "1") == "arn:aws:lambda:eu-west-1:123456789012:function:shop-dev:live"


def test_somewhere_else_no_region_is_known() -> None:
    call = invoke_api.read("http://localhost:4566/2015-03-31/functions/shop/invocations", {}, b"")
    assert call is not None
    assert call.region is None


@pytest.mark.parametrize("path", ["/shop", "/shop/policy", "//invocations", "/a%20b/invocations"])
def test_another_operation_is_none(path: str) -> None:
    assert invoke_api.read(BASE + path, {}, b"") is None


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"NaN", b"{} {}"])
def test_what_is_no_json_is_no_event(payload: bytes) -> None:
    with pytest.raises(
        ValueError, match=r"^Could not parse request body into json: Could not parse payload into json: "
    ):
        invoke_api.event_of(InvokeCall("a", None, None, None, "Event", payload))


def test_what_comes_back_is_json_of_whatever_letters() -> None:
    answer = invoke_api.returned({"π": 3}, "id")
    assert (answer.status, answer.body) == (200, '{"π": 3}'.encode())
    assert answer.headers["X-Amz-Executed-Version"] == "$LATEST"
    assert "X-Amz-Function-Error" not in answer.headers


@pytest.mark.parametrize("seconds", [3, 0.5])
def test_a_time_out_says_how_long_it_took(seconds: float) -> None:
    report = json.loads(invoke_api.timed_out(seconds, "id").body)
    assert math.isclose(float(report["errorMessage"].split()[-2]), seconds)
    assert report["errorMessage"].startswith("RequestId: id Error: Task timed out after ")
