"""Asking the account: a refusal or an error becomes a sentence, and an unreachable service is asked once."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from deployment.aws import Aws, Place
from deployment.doctor.account.account import Account, NotAsked
from deployment.doctor.findings import Findings

HERE = Place("aws", "eu-central-1", "123456789012")


class Silent:
    """An account whose services all answer `error`; it counts the calls."""

    place = HERE

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    def client(self, service: str) -> Silent:
        return self

    def get_function(self) -> None:
        self.asked += 1
        raise self.error


def account(aws: Silent) -> Account:
    return Account(cast(Aws, aws), cast(Findings, None))


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetFunction")


def said(error: Exception, service: str = "lambda") -> str:
    with pytest.raises(NotAsked) as caught:
        account(Silent(error)).find(service, "get_function")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__, "the frames may hold what was answered"
    return str(caught.value)


@pytest.mark.parametrize("error", [refusal("AccessDeniedException"), refusal("Anything", 403)], ids=["code", "status"])
def test_a_refusal_names_the_right(error: ClientError) -> None:
    assert said(error).endswith("allow the caller lambda:GetFunction.")


@pytest.mark.parametrize(
    ("service", "right"), [("apigatewayv2", "apigateway:GET"), ("service-quotas", "servicequotas:GetFunction")]
)
def test_a_right_is_named_as_iam_names_it(service: str, right: str) -> None:
    assert said(refusal("AccessDenied"), service).endswith(f"allow the caller {right}.")


def test_another_answer_is_told_by_its_code() -> None:
    assert said(refusal("ThrottlingException")) == (
        "Not known, since lambda answers GetFunction with ThrottlingException: ask again later."
    )


def test_what_is_not_there_is_none() -> None:
    assert account(Silent(refusal("ResourceNotFoundException"))).find("lambda", "get_function") is None


def test_a_service_that_cannot_be_reached_is_asked_once() -> None:
    aws = Silent(EndpointConnectionError(endpoint_url="https://lambda.example"))
    asked = account(aws)
    for _ in range(3):
        with pytest.raises(NotAsked, match="lambda cannot be reached"):
            asked.find("lambda", "get_function")
    assert aws.asked == 1
    with pytest.raises(NotAsked, match="iam cannot be reached"):
        asked.find("iam", "get_function")
