"""How services say no: code, status and message, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_sessionplugin.aws.batches import ONGOING

MANAGEMENT = "apigatewaymanagementapi"


@dataclass(frozen=True)
class Refusal:
    code: str
    status: int
    message: str = ""


THROTTLED: Mapping[str, Refusal] = {
    "dynamodb": Refusal(
        "ProvisionedThroughputExceededException", 400, "The level of configured throughput was exceeded."
    ),
    MANAGEMENT: Refusal("LimitExceededException", 429, "Too many posts, or the client reads too slowly."),
    "lambda": Refusal("TooManyRequestsException", 429, "Rate Exceeded."),
    "s3": Refusal("SlowDown", 503, "Please reduce your request rate."),
}
THROTTLED_ELSEWHERE = Refusal("ThrottlingException", 400, "Rate exceeded")

GONE = Refusal("GoneException", 410)

CONFLICT = Refusal("TransactionConflictException", 400, ONGOING)
"""What a write of one item that is in a transaction is answered: TransactionConflictException in the service model."""
