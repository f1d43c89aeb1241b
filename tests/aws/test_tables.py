"""Items in plain Python, and assertions about them that explain the difference."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.tables import Tables
from pytest_sessionplugin.errors import BlockedCall, ItemError, SessionPluginError
from tests.aws.opened import opened
from tests.strangers import Stranger


def spec(table: str, /, **keys: str) -> dict[str, Any]:
    kinds = zip(keys, ("HASH", "RANGE"), strict=False)
    return {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in kinds],
    }


@pytest.fixture(scope="module")
def emulated() -> Any:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    rooms = spec("rooms", name="S")
    seats = spec("seats", row="N", seat="B")
    odd = spec("odd", **{"room-id": "S"})
    seed: dict[str, Any] = {
        "Rooms": [{"name": "lobby", "people": 3, "open": True, "title": "The lobby"}],
        "Seats": [{"row": Decimal("1.5"), "seat": b"a", "price": Decimal("9.90")}],
        "Odd": [{"room-id": "a", "exactly": 1}],
    }
    return Emulator({"Rooms": rooms, "Seats": seats, "Odd": odd}, seed)


@pytest.fixture
def tables(emulated: Any) -> Iterator[Tables]:
    with environment.applied(environment.neutral("us-east-1")), opened(emulated) as aws:
        yield aws.tables
        assert len(aws.calls) == 0


def test_tables_of_another_project_are_asked_for_by_its_path() -> None:
    theirs = Tables({})
    assert Tables({}, {"orders": theirs}.__getitem__).of("orders") is theirs  # type: ignore[arg-type]
    with pytest.raises(SessionPluginError, match=r"dynamodb_tables\.of\('orders'\) was used outside of its test\."):
        Tables({}).of("orders")


def test_a_value_of_boto3_becomes_plain_and_a_float_is_stored_as_a_number() -> None:
    from pytest_sessionplugin.aws.tables import differences, plain, same, stored

    assert plain({"a": [Decimal("2"), Decimal("0.5")], "b": {Decimal(1)}}) == {"a": [2, 0.5], "b": {1}}
    assert type(plain(Decimal("1E+2"))) is int
    assert stored(1.1) == Decimal("1.1")
    assert (same(True, 1), same([1, {"a": 2}], [1.0, {"a": 2}])) == (False, True)
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}, exactly=False) == ["  b: absent, not 2"]
    assert differences({"a": 1}, {"a": 1, "c": 3}, exactly=True) == ["  c: 3, and it was not to be there"]


def test_all_items_are_listed_by_their_keys_and_counted(tables: Tables) -> None:
    assert tables.items("Rooms") == [{"name": "lobby", "people": 3, "open": True, "title": "The lobby"}]
    for row in (2, 10, 1):
        tables["Seats"].put_item(Item={"row": row, "seat": b"b"})
    assert [item["row"] for item in tables.items("Seats")] == [1, 1.5, 2, 10]
    assert (tables.count("Rooms"), tables.count("Seats")) == (1, 4)
    with pytest.raises(KeyError, match=r"there is no table Romms; did you mean Rooms\? There are: Rooms, Seats, Odd"):
        tables.items("Romms")


def test_items_of_more_than_a_page_are_listed_and_counted(tables: Tables) -> None:
    for number in range(4):
        tables["Rooms"].put_item(Item={"name": f"room {number}", "text": "x" * 380_000})
    assert [item["name"] for item in tables.items("Rooms")] == ["lobby", *(f"room {number}" for number in range(4))]
    assert tables.count("Rooms") == 5


def test_tables_are_looked_up_by_their_logical_names(tables: Tables) -> None:
    assert (list(tables), len(tables), "Rooms" in tables, "rooms" in tables) == (
        ["Rooms", "Seats", "Odd"],
        3,
        True,
        False,
    )


def told(tables: Tables, *arguments: Any, **attributes: Any) -> list[str]:
    with pytest.raises(AssertionError) as raised:
        tables.assert_item(*arguments, **attributes)
    return str(raised.value).splitlines()


@pytest.mark.emulator
def test_an_item_is_plain_python(tables: Tables) -> None:
    rich: dict[str, Any] = {
        "name": "a",
        "whole": Decimal("1E+2"),
        "half": Decimal("0.5"),
        "long": Decimal("0.12345678901234567890123456789"),
        "huge": 2**100,
        "none": None,
        "flag": False,
        "bytes": b"\x00",
        "texts": {"a", "b"},
        "numbers": {1, Decimal("2.5")},
        "binaries": {b"a", b"b"},
        "list": [1, {"deep": [Decimal(2), b"c"]}],
        "empty": "",
    }
    tables["Rooms"].put_item(Item=rich)
    found = tables.item("Rooms", name="a")
    assert found == {**rich, "whole": 100, "list": [1, {"deep": [2, b"c"]}]}
    assert {name: type(value) for name, value in (found or {}).items()} == {
        **{name: type(value) for name, value in rich.items()},
        "whole": int,
        "half": float,
        "long": Decimal,
    }
    assert {type(one) for one in (found or {})["binaries"]} == {bytes}
    assert {type(one) for one in (found or {})["numbers"]} == {int, float}
    tables.assert_item("Rooms", {"name": "a"}, rich, exactly=True)


@pytest.mark.emulator
def test_keys_are_keywords_or_a_mapping(tables: Tables) -> None:
    assert tables.item("Rooms", name="nowhere") is None
    assert tables.item("Odd", {"room-id": "a"}) == {"room-id": "a", "exactly": 1}
    assert tables.item("Seats", {"row": 1.5}, seat=b"a") == {"row": 1.5, "seat": b"a", "price": 9.9}


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("arguments", "key", "sentence"),
    [
        (["Rooms"], {"id": "a"}, r"^the key of Rooms is name, not id\.$"),
        (["Rooms"], {}, r"^the key of Rooms is name, not nothing\.$"),
        (
            ["Rooms", {"name": "lobby", "people": 2}],
            {},
            r"^the key of Rooms is name, not name and people; assert_item takes other attributes after the key\.$",
        ),
        (["Seats"], {"row": 1}, r"^the key of Seats is row and seat, not row\.$"),
        (["Rooms", "lobby"], {}, r"^the key of Rooms is a mapping with name, not 'lobby'\.$"),
        (["Rooms"], {"name": 5}, r"^name, of the key of Rooms, is a text, not 5\.$"),
        (["Seats"], {"row": True, "seat": b"a"}, r"^row, of the key of Seats, is a number, not True\.$"),
        (["Seats"], {"row": 1, "seat": "a"}, r"^seat, of the key of Seats, is bytes, not 'a'\.$"),
        (["Rooms"], {"name": ""}, "^Rooms cannot have an item with name='': .*ValidationException"),
    ],
)
def test_a_key_that_is_none_of_its_table_is_a_sentence(
    tables: Tables, arguments: list[Any], key: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ItemError, match=sentence):
        tables.item(*arguments, **key)


@pytest.mark.emulator
def test_what_is_asked_for_is_compared_and_nothing_else(tables: Tables) -> None:
    key = {"name": "lobby"}
    tables.assert_item("Rooms", key)
    tables.assert_item("Rooms", key, people=3)
    tables.assert_item("Rooms", key, {"people": Decimal(3)}, title=ANY)
    tables.assert_item("Rooms", key, people=3, open=True, title="The lobby", exactly=True)
    tables.assert_item("Odd", {"room-id": "a"}, {"exactly": 1}, exactly=True)
    tables.assert_item("Seats", {"row": 1.5, "seat": b"a"}, price=9.9)
    tables.assert_item("Seats", {"row": 1.5, "seat": b"a"}, price=pytest.approx(10, abs=0.2))


@pytest.mark.emulator
def test_a_difference_is_told_attribute_by_attribute(tables: Tables) -> None:
    assert told(tables, "Rooms", {"name": "lobby"}, people=2, open=1, owner="bob", title="The lobby") == [
        "the item of Rooms with name='lobby' is not as expected:",
        "  people: 3, not 2",
        "  open: True, not 1",
        "  owner: absent, not 'bob'",
    ]
    assert told(tables, "Rooms", {"name": "lobby"}, people=3, exactly=True) == [
        "the item of Rooms with name='lobby' is not as expected:",
        "  open: True, and it was not to be there",
        "  title: 'The lobby', and it was not to be there",
    ]


@pytest.mark.emulator
def test_a_long_difference_is_told_line_by_line(tables: Tables) -> None:
    places = [{"name": f"place number {n}", "taken": n == 1} for n in range(3)]
    tables["Rooms"].put_item(Item={"name": "a", "places": places})
    wanted = [*places[:1], {**places[1], "taken": 1}, *places[2:]]
    assert told(tables, "Rooms", {"name": "a"}, places=wanted) == [
        "the item of Rooms with name='a' is not as expected:",
        "  places: (+ is there, - was to be)",
        "      [{'name': 'place number 0', 'taken': False},",
        "    -  {'name': 'place number 1', 'taken': 1},",
        "    ?                                      ^",
        "    +  {'name': 'place number 1', 'taken': True},",
        "    ?                                      ^^^^",
        "       {'name': 'place number 2', 'taken': False}]",
    ]


@pytest.mark.emulator
def test_an_item_that_is_missing_is_told_with_the_keys_that_are_there(tables: Tables) -> None:
    assert told(tables, "Rooms", {"name": "loby"}) == ["Rooms has no item with name='loby'; it has: name='lobby'."]
    for number in range(6):
        tables["Seats"].put_item(Item={"row": number, "seat": b"a"})
    (line,) = told(tables, "Seats", {"row": 9, "seat": b"a"}, price=1)
    assert line.startswith("Seats has no item with row=9, seat=b'a'; it has: row=")
    assert line.count("; ") == 1 + 4
    assert line.endswith(" and more.")
    tables["Odd"].delete_item(Key={"room-id": "a"})
    assert told(tables, "Odd", {"room-id": "a"}) == ["Odd has no item with room-id='a'; it is empty."]


@pytest.mark.emulator
def test_items_are_there_until_the_end_of_their_test(emulated: Any) -> None:
    with environment.applied(environment.neutral("us-east-1")), opened(emulated) as aws:
        assert aws.tables.item("Rooms", name="lobby")
    with pytest.raises(BlockedCall, match="dynamodb_tables was used outside of its test"):
        aws.tables.item("Rooms", name="lobby")


def test_a_failed_assertion_shows_the_test_and_not_the_kit(stranger: Stranger) -> None:
    body = """
        import unittest
        import pytest

        def test_it(chalice_gateway, dynamodb_tables, aws_faults, aws_calls):
            chalice_gateway.http().post("/rooms/lobby")
            with aws_faults.throttled("dynamodb"), aws_calls.exactly(dynamodb=0):
                dynamodb_tables.assert_item("Rooms", {"name": "lobby"}, people=1)
            dynamodb_tables.assert_item("Rooms", {"name": "lobby"}, people=2)

        @pytest.mark.chalice(allow="unfired_faults")
        class TestOfUnittest(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _tables(self, dynamodb_tables):
                self.tables = dynamodb_tables

            def test_it(self):
                self.tables.assert_item("Rooms", {"name": "hall"})
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        [
            '>       dynamodb_tables.assert_item("Rooms", {"name": "lobby"}, people=2)',
            "E       AssertionError: the item of Rooms with name='lobby' is not as expected:",
            "E         people: 1, not 2",
            '>       self.tables.assert_item("Rooms", {"name": "hall"})',
            "E       AssertionError: Rooms has no item with name='hall'; it is empty.",
        ]
    )
    result.stdout.no_fnmatch_line("*tables.py*")
