"""An outage of DynamoDB is not a bug: every operation answers an error that passes with 503, or `unavailable`."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.retries import standard

from chalicelib import dynamodb
from chalicelib.errors import Unavailable
from pytest_sessionplugin import Gateway, HandshakeRefused
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

THROTTLED: list[str] = vars(standard.ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"]
TRANSIENT: list[str] = vars(standard.TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"]
OF_DYNAMODB = [
    *("InternalServerError", "ProvisionedThroughputExceededException", "ReplicatedWriteConflictException"),
    *("RequestLimitExceeded", "ServiceUnavailable", "ThrottlingError", "ThrottlingException"),
    *("TransactionConflictException", "TransactionInProgressException"),
]
OUTAGES = [
    *((code, 400) for code in sorted({*THROTTLED, *TRANSIENT, *OF_DYNAMODB})),
    *((code, status) for status in (500, 502, 503) for code in (str(status), "InternalFailure", "NeverHeardOf")),
    *(("NeverHeardOf", status) for status in (408, 429, 504, 599)),
]
RETRIES = range(1, 6)  # seconds


@pytest.mark.parametrize(("code", "status"), OUTAGES)
def test_an_outage_is_unavailable_and_no_fault_of_each_operation(
    chalice_gateway: Gateway,
    alice: HttpClient,
    jwt_tokens: Tokens,
    aws_faults: Faults,
    caplog: pytest.LogCaptureFixture,
    code: str,
    status: int,
) -> None:
    caplog.set_level(logging.DEBUG, "sessions.metrics")
    session_id = alice.post("/sessions", json={}).json()["sessionId"]
    path, params = f"/sessions/{session_id}", {"sessionId": session_id}
    with chalice_gateway.websocket("/", params=params, token=jwt_tokens("bob")) as bob:
        caplog.clear()
        with aws_faults.failing("dynamodb", code=code, status=status):
            for answer in (
                alice.post("/sessions", json={}),
                alice.post("/sessions", json={}, headers={"Idempotency-Key": "k"}),
                alice.get("/sessions"),
                alice.get(path),
                alice.patch(path, json={"title": "x"}),
                alice.patch(path, json={"metadata": {"a": 1}}),
                alice.delete(path),
            ):
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert int(answer.headers["Retry-After"]) in RETRIES
            for action in ({"action": "hello"}, {"action": "publish", "data": 1}, {"action": "ping"}):
                bob.send_json(action)
                assert bob.expect(type="error", code="unavailable")["retryAfter"] in RETRIES
            with pytest.raises(HandshakeRefused) as refused:
                chalice_gateway.websocket("/", params=params, token=jwt_tokens("carol"))
            assert refused.value.status_code == 503
        said = [record.getMessage() for record in caplog.records if record.name == "sessions.metrics"]
        assert sum('"Unavailables"' in line for line in said) == 11
        assert not any('"Faults"' in line for line in said)


def cancelled(*codes: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(answer, "TransactWriteItems")


@pytest.mark.parametrize(
    "reason",
    [
        *("TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"),
        *("RequestLimitExceeded", "InternalServerError"),
    ],
)
def test_a_transaction_that_was_cancelled_for_a_passing_reason_is_unavailable(reason: str) -> None:
    with pytest.raises(Unavailable), dynamodb.asking():
        raise cancelled("None", reason)


@pytest.mark.parametrize("reason", ["ConditionalCheckFailed", "ValidationError", "ItemCollectionSizeLimitExceeded"])
def test_a_transaction_that_was_cancelled_for_good_is_told_as_it_is(reason: str) -> None:
    with pytest.raises(ClientError), dynamodb.asking():
        raise cancelled("None", reason)


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDeniedException", 400), ("ResourceNotFoundException", 400), ("ValidationException", 400)],
)
def test_what_no_retry_mends_is_a_bug(alice: HttpClient, aws_faults: Faults, code: str, status: int) -> None:
    with aws_faults.failing("dynamodb", code=code, status=status):
        answer = alice.get("/sessions")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
