"""A team's own clients are caught, even early ones, and its `mock_aws` works around ours, inside it and beside it."""

from __future__ import annotations

import itertools

import pytest

from tests.strangers import Stranger

SUITE = """
import os
import boto3
import pytest
from moto import mock_aws

EARLY = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"  # a search for credentials there is slow
POOR = boto3.client("dynamodb", region_name="us-east-1")
del os.environ["AWS_EC2_METADATA_DISABLED"]
SPEC = dict(
    TableName="theirs",
    KeySchema=[dict(AttributeName="name", KeyType="HASH")],
    AttributeDefinitions=[dict(AttributeName="name", AttributeType="S")],
    BillingMode="PAY_PER_REQUEST",
)


def enter(client, table):
    client.update_item(
        TableName=table, Key={"name": {"S": "a"}},
        UpdateExpression="ADD people :one", ExpressionAttributeValues={":one": {"N": "1"}},
    )


def people(client, table):
    return int(client.get_item(TableName=table, Key={"name": {"S": "a"}})["Item"]["people"]["N"])


def ours(dynamodb_tables, aws_calls):
    enter(EARLY, "rooms-us-east-1")
    assert people(POOR, "rooms-us-east-1") == 1
    assert EARLY.list_tables()["TableNames"] == ["rooms-us-east-1"]
    assert len(aws_calls) == 3


def theirs():
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        assert client.list_tables()["TableNames"] == []
        client.create_table(**SPEC)
        enter(client, "theirs")
        assert people(client, "theirs") == 1


def inside(dynamodb_tables):
    enter(EARLY, "rooms-us-east-1")
    with mock_aws(config={"core": {"service_whitelist": ["dynamodb"]}}):
        inner = boto3.client("dynamodb")
        enter(inner, "rooms-us-east-1")
        assert people(inner, "rooms-us-east-1") == 2  # shared, but written once
    assert people(EARLY, "rooms-us-east-1") == 2


@pytest.fixture
def mocked():
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(**SPEC)
        enter(client, "theirs")
        yield client
        assert client.list_tables()["TableNames"] == ["theirs"]
        assert people(client, "theirs") == 1


def around(mocked, dynamodb_tables):
    assert mocked.list_tables()["TableNames"] == ["rooms-us-east-1"]
    enter(mocked, "rooms-us-east-1")
    assert people(mocked, "rooms-us-east-1") == 1  # their mock does not write it again
    assert dynamodb_tables["Rooms"].scan()["Count"] == 1


@mock_aws
def decorated(dynamodb_tables):
    enter(EARLY, "rooms-us-east-1")
    assert people(boto3.client("dynamodb"), "rooms-us-east-1") == 1


@pytest.fixture(autouse=True)
def as_before():
    def state():
        from moto.core.config import default_user_config
        from moto.core.models import MockAWS
        return (
            dict(os.environ), dict(default_user_config), boto3.DEFAULT_SESSION,
            MockAWS._nested_count, MockAWS._mocks_active,
        )
    before = state()
    before[0].pop("PYTEST_CURRENT_TEST")
    yield
    after = state()
    after[0].pop("PYTEST_CURRENT_TEST")
    assert after == before


"""

ORDER = ["ours", "ours", "theirs", "theirs", "inside", "inside", "around", "around", "decorated", "decorated", "ours"]
ORDER += ["inside", "ours", "around", "theirs", "ours", "decorated", "theirs", "around", "inside", "theirs"]
ORDER += ["decorated", "inside", "decorated", "around", "ours"]
"""Each kind of test comes right after each kind, its own too."""

ARGUMENTS = {
    "decorated": ["dynamodb_tables"],
    "ours": ["dynamodb_tables", "aws_calls"],
    "theirs": [],
    "inside": ["dynamodb_tables"],
    "around": ["mocked", "dynamodb_tables"],
}


WIDE = """
@pytest.fixture(scope="module", autouse=True)
def wide():
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(**{**SPEC, "TableName": "wide"})
        yield
        assert client.list_tables()["TableNames"] == ["wide"]


def nested():
    assert boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == ["wide"]
    with mock_aws():  # moto treats an inner mock as the outer one
        assert boto3.client("dynamodb", region_name="us-east-1").list_tables()["TableNames"] == ["wide"]


"""


@pytest.mark.interpreter
def test_mocks_of_a_team_and_ours_get_along_in_any_order(stranger: Stranger) -> None:
    """And once more inside a mock of theirs that stands for a whole module."""
    assert len(set(itertools.pairwise(ORDER))) == len(ARGUMENTS) ** 2
    within = [kind if kind in ("ours", "inside", "decorated") else "nested" for kind in ORDER]
    (stranger.root / "test_it.py").write_text(SUITE + bodies(ORDER))
    (stranger.root / "test_wide.py").write_text(SUITE + WIDE + bodies(within))
    stranger.test().assert_outcomes(passed=len(ORDER) * 2)


def bodies(order: list[str]) -> str:
    arguments = {kind: ", ".join(ARGUMENTS.get(kind, [])) for kind in order}
    return "".join(
        f"def test_{number}({arguments[kind]}): {kind}({arguments[kind]})\n" for number, kind in enumerate(order)
    )


def test_what_an_app_asks_of_aws_that_nothing_emulates_is_blocked(stranger: Stranger) -> None:
    """Not even a client that the app made when it was imported gets out."""
    (stranger.root / "app.py").write_text(
        "import boto3\nfrom chalice import Chalice\napp = Chalice('chat')\ntranslate = boto3.client('translate')\n"
        "@app.route('/')\ndef index():\n    translate.list_languages()\n"
    )
    body = """
        def test_it(chalice_gateway):
            assert chalice_gateway.http().get("/").status_code == 500
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["translate:ListLanguages was blocked: nothing emulates it*"])


def test_a_client_without_credentials_has_none_again_afterwards(stranger: Stranger) -> None:
    body = """
        import boto3

        CLIENT = boto3.client("dynamodb", region_name="us-east-1")

        def test_ours(dynamodb_tables):
            assert CLIENT.list_tables()["TableNames"]

        def test_theirs():
            assert CLIENT._request_signer._credentials is None
    """
    stranger.test(test_it=body).assert_outcomes(passed=2)
