"""Members of another type cannot be read, and broken constraints are reported together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.dynamodb.definitions import BASE, PAIR, UNITS, refused


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"TableName": 1}, "NUMBER_VALUE cannot be converted to String"),
        ({"TableName": ["a"]}, "Unrecognized collection type class java.lang.String"),
        ({**BASE, "KeySchema": "pk"}, "Unexpected field type"),
        ({**BASE, "KeySchema": {}}, "Start of structure or map found where not expected"),
        ({**BASE, "KeySchema": ["pk"]}, "Unexpected field type"),
        ({**BASE, "DeletionProtectionEnabled": "true"}, "STRING_VALUE cannot be converted to Boolean"),
        (
            {**BASE, "BillingMode": "FREE", "ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": True}},
            "TRUE_VALUE cannot be converted to Long",
        ),
    ],
)
def test_members_of_another_type_cannot_be_read(members: dict[str, Any], message: str) -> None:
    assert refused("CreateTable", members) == ("SerializationException", message)


def test_an_answer_names_ten_broken_constraints_at_most() -> None:
    answer = refused("CreateTable", {**PAIR, "GlobalSecondaryIndexes": [{}] * 9})
    assert answer is not None
    assert answer[1].startswith("10 validation errors detected: ")
    assert answer[1].count("Member must not be null") == 10
