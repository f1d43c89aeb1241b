"""`lambda:Invoke` is answered for the functions that are deployed, and an event is retried until it is dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.aws.caller import Invocation
from pytest_sessionplugin.aws.invoke_api import ASYNCHRONOUS, DRY_RUN, SYNCHRONOUS, InvokeCall
from pytest_sessionplugin.gateway.values import Api, Done, FunctionTimedOut
from pytest_sessionplugin.lambdas.service import LONGEST_CHAIN, LambdaService


class Shop:
    """An app with one function, run by a gateway that remembers its events."""

    def __init__(self) -> None:
        self.deployed, self.timeouts = {"shop-dev-mail": "mail"}, {"mail": 20.0}
        self.now = 0.0
        self.observed: list[tuple[float, str]] = []
        self.warned: list[str] = []
        self.queued: list[tuple[str, Any, str, Done]] = []
        self.raises: BaseException | None = None
        self.service = LambdaService(
            lambda: f"id-{len(self.queued)}",
            lambda: self.now,
            observe=lambda at, text: self.observed.append((at, text)),
            warn=self.warned.append,
        )
        self.service.deploy(self, Api(), self.run, lambda *queued: self.queued.append(queued))

    def run(self, function: str, event: Any, request_id: str) -> Any:
        if self.raises is not None:
            raise self.raises
        return [function, event, request_id]

    def invoke(self, kind: str = SYNCHRONOUS, payload: bytes = b"{}", name: str = "shop-dev-mail", **said: str) -> Any:
        call = InvokeCall(name, said.get("region"), said.get("account"), said.get("qualifier"), kind, payload)
        return self.service.invoke(call)

    def end(self, error: BaseException | None) -> None:
        """Ends the event that was queued last."""
        *_, done = self.queued[-1]
        done(error)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_caller_that_waits_gets_what_the_function_returns(shop: Shop) -> None:
    answer = shop.invoke(payload=b'{"a": 1}')
    assert (answer.status, json.loads(answer.body)) == (200, ["mail", {"a": 1}, "id-0"])


def test_what_it_raises_is_reported_without_the_frames_that_ran_it(shop: Shop) -> None:
    shop.raises = LookupError("no price")
    answer = shop.invoke()
    report = json.loads(answer.body)
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    assert (report["errorType"], report["errorMessage"]) == ("LookupError", "no price")
    assert [frame.split('"')[1] for frame in report["stackTrace"]] == [__file__]


def test_a_timeout_is_reported_with_its_seconds(shop: Shop) -> None:
    shop.raises = FunctionTimedOut("too late")
    assert "Task timed out after 20.00 seconds" in json.loads(shop.invoke().body)["errorMessage"]


def test_a_function_that_is_not_deployed_is_for_somebody_else_to_answer(shop: Shop) -> None:
    assert shop.invoke(name="shop-dev-nobody") is None


@pytest.mark.parametrize("said", [{"region": "eu-west-1"}, {"account": "999999999999"}, {"qualifier": "live"}])
def test_one_elsewhere_is_not_found(shop: Shop, said: dict[str, Any]) -> None:
    assert shop.invoke(**said).status == 404


def test_a_payload_that_is_not_json_is_refused(shop: Shop) -> None:
    answer = shop.invoke(payload=b"{'a'")
    assert answer.status == 400
    assert "Could not parse request body into json" in answer.body.decode()


def test_a_dry_run_runs_nothing(shop: Shop) -> None:
    shop.raises = ZeroDivisionError()
    assert shop.invoke(DRY_RUN).status == 204
    assert shop.queued == []


def test_an_event_that_fails_three_times_is_dropped(shop: Shop) -> None:
    assert shop.invoke(ASYNCHRONOUS, b"[7]").status == 202
    for now in (0.0, 60.0, 180.0):
        shop.now = now
        shop.service.retries.tick()
        shop.end(OSError())
    assert [(name, event, request) for name, event, request, _ in shop.queued] == [("mail", [7], "id-0")] * 3
    assert shop.service.retries.waiting == ()
    assert shop.observed == [
        (0.0, "lambda mail failed at attempt 1; the next one in 60 seconds"),
        (60.0, "lambda mail failed at attempt 2; the next one in 120 seconds"),
        (180.0, "lambda mail failed at attempt 3, the last one: its event is dropped"),
    ]
    assert shop.warned == [f"{text.removeprefix('lambda ')}." for _, text in shop.observed]


def test_an_event_that_is_taken_is_observed_without_a_warning(shop: Shop) -> None:
    shop.invoke(ASYNCHRONOUS)
    shop.end(None)
    assert shop.observed == [(0.0, "lambda mail has taken its event, at attempt 1")]
    assert shop.warned == []


def test_a_retry_runs_on_the_functions_that_are_deployed_then(shop: Shop) -> None:
    shop.invoke(ASYNCHRONOUS)
    shop.end(OSError())
    later: list[Any] = []
    shop.service.deploy(shop, Api(), shop.run, lambda *queued: later.append(queued))
    shop.now = 60.0
    shop.service.retries.tick()
    assert len(later) == 1


def test_an_event_whose_function_is_gone_is_dropped(shop: Shop) -> None:
    shop.invoke(ASYNCHRONOUS)
    shop.end(OSError())
    shop.deployed = {}
    shop.service.deploy(shop, Api(), shop.run, lambda *queued: None)
    shop.now = 60.0
    shop.service.retries.tick()
    assert shop.observed[-1] == (60.0, "lambda mail is gone before attempt 2: its event is dropped")


@pytest.mark.parametrize("kind", [SYNCHRONOUS, ASYNCHRONOUS])
def test_a_chain_of_functions_is_ended_at_lambdas_limit(shop: Shop, kind: str) -> None:
    depths: list[int] = []

    service = LambdaService(lambda: f"chain-{len(depths)}", lambda: 0.0, warn=shop.warned.append)
    service.deploy(shop, Api(), lambda *run: again(run[2]), lambda *queued: again(queued[2]))

    def again(request_id: str) -> Any:
        depths.append(len(depths))
        with caller.entered(Invocation(request_id, "mail", "mail")):
            return service.invoke(InvokeCall("shop-dev-mail", None, None, None, kind, b"{}")) and None

    again("test")
    assert len(depths) == LONGEST_CHAIN + 1
    assert bool(shop.warned) is (kind == ASYNCHRONOUS)


def test_retries_can_be_dropped(shop: Shop) -> None:
    shop.invoke(ASYNCHRONOUS)
    shop.end(ValueError("no"))
    assert len(shop.service.retries.waiting) == 1
    shop.service.drop_retries()
    shop.now = 1000.0
    shop.service.retries.tick()
    assert len(shop.queued) == 1
