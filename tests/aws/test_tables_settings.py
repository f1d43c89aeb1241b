"""Tables in memory have the stream, TTL, indexes, capacity and first rows that a template and a seed give them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from pytest_sessionplugin import in_memory
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import TemplateError
from tests.aws.opened import Opened, opened
from tests.aws.specs import ROOMS, SCORES
from tests.strangers import Stranger

pytestmark = pytest.mark.emulator

ITEM = {"place": "a", "name": "b", "at": "1", "owner": "c", "title": "d", "note": "e"}


@pytest.fixture(scope="module")
def emulated() -> Any:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    return Emulator({"Rooms": ROOMS, "Scores": SCORES}, {"Rooms": [{**ITEM, "name": "seeded"}]})


@pytest.fixture
def aws(emulated: Any) -> Iterator[Opened]:
    with environment.applied(environment.neutral("us-east-1")), opened(emulated) as aws:
        yield aws


def client(service: str) -> Any:
    import boto3

    return boto3.client(service)  # type: ignore[call-overload]


def records(arn: str) -> list[tuple[str, dict[str, Any]]]:
    streams = client("dynamodbstreams")
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    found = streams.get_records(ShardIterator=streams.get_shard_iterator(**start)["ShardIterator"])
    return [(record["eventName"], record["dynamodb"]) for record in found["Records"]]


@pytest.mark.parametrize("time", [1, 2])
def test_a_stream_tells_what_was_written_in_this_test(aws: Opened, time: int) -> None:
    """With the account in the host name, as newer botocore has it if it may, moto would not find it."""
    table = aws.tables["Rooms"]
    arn = str(table.latest_stream_arn)
    assert client("dynamodbstreams").list_streams(TableName=table.name)["Streams"][0]["StreamArn"] == arn
    seeded = len(records(arn))
    table.put_item(Item=ITEM)
    table.update_item(
        Key={"place": "a", "name": "b"}, UpdateExpression="SET note = :n", ExpressionAttributeValues={":n": str(time)}
    )
    (inserted, first), (modified, second) = records(arn)[seeded:]
    assert (seeded, inserted, modified) == (1, "INSERT", "MODIFY")
    assert first["NewImage"]["note"] == second["OldImage"]["note"] == {"S": "e"}
    assert second["NewImage"]["note"] == {"S": str(time)}
    assert aws.tables["Scores"].latest_stream_arn is None


def test_ttl_is_described(aws: Opened) -> None:
    dynamodb = client("dynamodb")
    described = {
        name: dynamodb.describe_time_to_live(TableName=aws.tables[name].name)["TimeToLiveDescription"]
        for name in aws.tables
    }
    assert described == {
        "Rooms": {"TimeToLiveStatus": "ENABLED", "AttributeName": "purgeAt"},
        "Scores": {"TimeToLiveStatus": "DISABLED"},
    }


@pytest.mark.parametrize(
    ("index", "key", "shown"),
    [
        ("by-time", ("place", "a"), {"place", "name", "at"}),
        ("by-owner", ("owner", "c"), {"place", "name", "owner", "title"}),
    ],
)
def test_an_index_shows_what_its_projection_says(
    aws: Opened, index: str, key: tuple[str, str], shown: set[str]
) -> None:
    (item,) = aws.tables["Rooms"].query(
        IndexName=index,
        KeyConditionExpression="#k = :v",
        ExpressionAttributeNames={"#k": key[0]},
        ExpressionAttributeValues={":v": key[1]},
    )["Items"]
    assert set(item) == shown


def test_capacity_is_kept(aws: Opened) -> None:
    described = client("dynamodb").describe_table(TableName="scores")["Table"]
    (index,) = described["GlobalSecondaryIndexes"]
    for place, read, write in ((described, 5, 6), (index, 1, 2)):
        units = place["ProvisionedThroughput"]
        assert (units["ReadCapacityUnits"], units["WriteCapacityUnits"]) == (read, write)
    rooms = client("dynamodb").describe_table(TableName=ROOMS["TableName"])["Table"]
    assert rooms["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


# --- seeds


@pytest.mark.parametrize(
    ("seed", "sentence"),
    [
        ([1], r"^dynamodb_seed must be a mapping of tables to their rows, not a list\.$"),
        ({"Scores": {"id": 1}}, r"^the rows for Scores must be a list of mappings, not a dict\.$"),
        ({"Scores": [1]}, r"^row 0 for Scores must be a mapping, not 1\.$"),
        ({"Scores": [{"id": 1}, {"who": "a"}]}, r"^row 1 for Scores has no id: {'who': 'a'}\.$"),
        ({"Scores": [{"id": 1}, {"id": 2}, {"id": 1, "who": "a"}]}, "^rows 0 and 2 for Scores have the same key: "),
        (
            {"Scores": [{"id": 1}, {"id": 2, "x": 1.5}]},
            r"^row 1 for Scores is refused, {'id': 2, 'x': 1.5}: Float types",
        ),
        ({"Scores": [{"id": 1}, {"id": "2"}]}, r"^row 1 for Scores is refused, {'id': '2'}: .*ValidationException"),
        (
            {"Scores": [{"id": n, "x": object} for n in range(30)]},
            r"^row 0 for Scores is refused, .*: Unsupported type",
        ),
    ],
)
def test_rows_that_cannot_be_are_a_sentence_with_table_and_row(seed: Any, sentence: str) -> None:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    opening = opened(Emulator({"Scores": SCORES}, seed))
    with environment.applied(environment.neutral("us-east-1")), pytest.raises(TemplateError, match=sentence), opening:
        pass


def test_many_rows_are_written_whatever_gives_them(aws: Opened) -> None:
    from pytest_sessionplugin.aws.tables import create

    specs = {"More": {**SCORES, "TableName": "more"}}
    create(specs, {"More": ({"id": Decimal(n)} for n in range(60))}, _resource())
    assert _resource().Table("more").scan()["Count"] == 60


def _resource() -> Any:
    import boto3

    return boto3.resource("dynamodb")


def test_a_table_that_is_there_already_is_left_as_it_is(aws: Opened) -> None:
    """As in a DynamoDB that runs, and has them from the last time."""
    from pytest_sessionplugin.aws.tables import create

    create({"Rooms": ROOMS}, {"Rooms": [ITEM]}, _resource())
    assert [row["name"] for row in aws.tables["Rooms"].scan()["Items"]] == ["seeded"]


# --- errors that a team reads


def test_bad_tables_are_one_sentence_each_and_nothing_of_the_kit(stranger: Stranger) -> None:
    table = {key: ROOMS[key] for key in ("BillingMode", "AttributeDefinitions", "KeySchema")}
    table["AttributeDefinitions"] = table["AttributeDefinitions"][:2]
    overrides = {
        "twice": ({"A": {**table, "TableName": "rooms"}, "B": {**table, "TableName": "rooms"}}, {}),
        "typo": ({"A": {**table, "KeySchemas": []}}, {}),
        "row": ({"Rooms": table}, {"Rooms": [{"place": "a"}]}),
        "forgotten": (None, {}),
    }
    files = {"unknown/test_it": "def test_it(jwt_tokens): pass"}
    for name, (specs, seed) in overrides.items():
        files[f"{name}/conftest"] = f"""
            import pytest

            @pytest.fixture(scope="session")
            def chalice_env():
                return {{"ROOMS_TABLE": "none"}}

            @pytest.fixture(scope="session")
            def dynamodb_specs():
                return {specs!r}

            @pytest.fixture(scope="session")
            def dynamodb_seed():
                return {seed!r}
        """
        files[f"{name}/test_{name}"] = "def test_it(dynamodb_tables): pass"
    (stranger.root / "tables.yaml").write_text(
        "Resources: {Rooms: {Type: AWS::DynamoDB::Table, Properties: {TableName: !ImportValue rooms}}}"
    )
    (stranger.root / "pyproject.toml").write_text('[tool.sessionplugin]\ntemplate = "tables.yaml"\n')
    result = stranger.test(**files)
    result.assert_outcomes(errors=5)
    result.stdout.fnmatch_lines_random(
        [
            "the tables A and B are both named rooms; give each a TableName of its own.",
            "the table A: it has KeySchemas, which it cannot have; KeySchema may be meant.",
            "row 0 for Rooms has no name: {'place': 'a'}.",
            "the fixture dynamodb_specs gives None; is its return missing?",
            "The table Rooms of */tables.yaml: Fn::ImportValue is not understood here; Ref and Fn::Sub are. *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_sessionplugin/*")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ('"nowhere.yaml"', r"template in [[]tool.sessionplugin[]] names */nowhere.yaml, and there is no such file."),
        ("1", "template in [[]tool.sessionplugin[]] must be a path, or a list of paths."),
        (
            '[".chalice/resources.json", ".chalice/resources.json"]',
            "the table Rooms is described twice, the second time in */.chalice/resources.json.",
        ),
    ],
)
def test_a_setting_that_names_no_templates_is_a_sentence(stranger: Stranger, setting: str, sentence: str) -> None:
    (stranger.root / "pyproject.toml").write_text(f"[tool.sessionplugin]\ntemplate = {setting}\n")
    result = stranger.test(test_it="def test_it(dynamodb_tables): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([sentence])


def test_the_tables_of_several_templates_are_there(project: Project) -> None:
    (project.root / "more.yml").write_text(
        """
        Parameters: {Stage: {Default: test}}
        Resources:
          Halls:
            Type: AWS::Serverless::SimpleTable
            Properties: {TableName: !Sub "halls-${Stage}"}
        """
    )
    (project.root / "pyproject.toml").write_text(
        '[tool.sessionplugin]\ntemplate = [".chalice/resources.json", "more.yml"]\n'
    )
    with in_memory(Project(project.root)) as aws:
        assert {name: aws.tables[name].name for name in aws.tables} == {
            "Rooms": "rooms-us-east-1",
            "Halls": "halls-test",
        }
