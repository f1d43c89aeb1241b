"""Rows by partition and key, for the table and for each index; an index follows every write."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.store import Change, Definition, Index, Row, Store, position
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal
from tests.aws.dynamodb.memory import item, on_global, on_local, two_keys

TIME = on_global("byTime", "room", "time")
TEXT = on_local("byText", "text")
DEFINITION = two_keys(indexes={"byTime": TIME, "byText": TEXT}, room="S", time="N", text="S")


def store_of(*items: Item, definition: Definition = DEFINITION) -> Store:
    store = Store(definition)
    for each in items:
        store.write(None, Row(each))
    return store


def in_order(store: Store, index: str | None = None) -> list[Item]:
    return [row.item for row in store.by(index)]


def keyed(kind: str, *held: str) -> list[str]:
    """Values of a sort key, as a table sorts them."""
    definition = Definition("T", {"pk": "S", "sk": kind}, Index("", ("pk",), ("sk",)), {})
    store = store_of(*({"pk": {"S": "a"}, "sk": {kind: each}} for each in held), definition=definition)
    return [each["sk"][kind] for each in in_order(store)]


# --- order


@pytest.mark.parametrize(
    ("kind", "ordered"),
    [
        ("N", ["-100", "-1.5", "-1", "0", "0.001", "2", "9", "10", "1000000000000000000000000000000000001"]),
        ("S", ["0", "10", "2", "A", "Z", "a", "aa", "b", "é", "￿", "😀"]),
        (
            "B",
            [
                base64.b64encode(each).decode()
                for each in (b"\0", b"\0\1", b"\1", b"a", b"a\xff", b"\x7f", b"\x80", b"\xff")
            ],
        ),
    ],
    ids=["numbers by value", "texts by their bytes in UTF-8", "binary by unsigned bytes"],
)
def test_a_sort_key_is_sorted_by_its_type(kind: str, ordered: list[str]) -> None:
    mixed = [*ordered[::-2], *ordered[-2::-2]]
    assert keyed(kind, *mixed) == ordered


def test_one_number_in_two_spellings_is_one_key() -> None:
    assert keyed("N", "1", "1.0") == ["1.0"]


def test_ties_of_a_global_index_are_in_the_order_of_the_tables_keys() -> None:
    rows = [item(pk=pk, sk=sk, room="r", time=1) for pk, sk in (("b", "1"), ("a", "2"), ("a", "1"))]
    assert [(each["pk"]["S"], each["sk"]["S"]) for each in in_order(store_of(*rows), "byTime")] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
    ]


def test_a_scan_has_the_order_of_a_hash_whatever_the_order_of_writes() -> None:
    rows = [item(pk=str(number), sk="1") for number in range(20)]
    orders = []
    for written in (rows, rows[::-1]):
        orders.append([key for key, _ in store_of(*written).rows.scanned()])
    assert orders[0] == orders[1]
    assert [position(key) for key in orders[0]] == sorted(map(position, orders[0]))
    assert orders[0] != sorted(orders[0])


def test_a_scan_goes_on_from_a_position_that_no_partition_has_any_more() -> None:
    rows = store_of(*(item(pk=str(number), sk="1") for number in range(9))).rows
    places = [key for key, _ in rows.scanned()]
    (gone,) = rows.partitions[places[4]].rows.values()
    rows.remove(gone)
    assert [key for key, _ in rows.scanned(position(places[4]))] == places[5:]


# --- indexes


@pytest.mark.parametrize(
    ("old", "new", "by_time", "by_text"),
    [
        (None, {"room": "r", "time": 1}, 1, 0),
        (None, {"room": "r"}, 0, 0),
        (None, {"time": 1}, 0, 0),
        (None, {"text": "t"}, 0, 1),
        ({"room": "r", "time": 1}, {"room": "r", "time": 2}, 1, 0),
        ({"room": "r", "time": 1}, {"room": "q", "time": 1}, 1, 0),
        ({"room": "r", "time": 1}, {"room": "r"}, 0, 0),
        ({"room": "r", "time": 1, "text": "t"}, None, 0, 0),
        ({}, {"room": "r", "time": 1, "text": "t"}, 1, 1),
    ],
    ids=[
        "an item with both keys is in it",
        "an item without the sort key is not",
        "an item without the partition key is not",
        "a local index is sparse, too",
        "another sort key moves the row",
        "another partition key moves the row",
        "a row leaves with its key",
        "a removed row is in none",
        "a row enters with its key",
    ],
)
def test_an_index_follows_a_write(
    old: dict[str, Any] | None, new: dict[str, Any] | None, by_time: int, by_text: int
) -> None:
    store, before, after = (
        Store(DEFINITION),
        *(None if each is None else Row(item(pk="a", sk="1", **each)) for each in (old, new)),
    )
    store.write(None, before)
    store.write(before, after)
    assert [len(store.by(index)) for index in ("byTime", "byText", None)] == [by_time, by_text, new is not None]
    assert in_order(store, "byTime") == [after and after.item] * by_time


def test_a_new_index_is_filled_and_a_deleted_one_is_unknown() -> None:
    store = store_of(item(pk="a", sk="1", room="r", time=1))
    store.define(two_keys(indexes={"byRoom": on_global("byRoom", "room")}, room="S"))
    assert len(store.by("byRoom")) == 1
    with pytest.raises(Refusal, match="The table does not have the specified index: byTime"):
        store.by("byTime")


def test_an_index_with_another_projection_is_defined_anew() -> None:
    store = store_of(item(pk="a", sk="1", room="r", time=1))
    changed = on_global("byTime", "room", "time", projected=frozenset())
    store.define(two_keys(indexes={"byTime": changed}, room="S", time="N"))
    assert (store.by("byTime").index, len(store.by("byTime"))) == (changed, 1)


@pytest.mark.parametrize(
    ("projected", "kept"),
    [
        (None, {"pk", "sk", "room", "time", "a", "b"}),
        (frozenset(), {"pk", "sk", "room", "time"}),
        (frozenset({"a"}), {"pk", "sk", "room", "time", "a"}),
    ],
    ids=["ALL", "KEYS_ONLY", "INCLUDE"],
)
def test_an_entry_of_an_index_is_its_keys_the_tables_keys_and_what_is_projected(
    projected: frozenset[str] | None, kept: set[str]
) -> None:
    index = on_global("byTime", "room", "time", projected=projected)
    assert index.entry(item(pk="a", sk="1", room="r", time=1, a=1, b=2), ("pk", "sk")).keys() == kept


# --- copies


def test_a_copy_does_not_follow_later_writes_and_shares_its_rows() -> None:
    store = store_of(item(pk="a", sk="1", room="r", time=1))
    picture = store.copy()
    (row,) = store.rows
    store.write(row, None)
    store.write(None, Row(item(pk="b", sk="1", room="r", time=1)))
    assert list(picture.rows) == list(picture.by("byTime")) == [row]
    assert in_order(store) == in_order(store, "byTime") == [item(pk="b", sk="1", room="r", time=1)]


@pytest.mark.parametrize("odd", [{"S": "text"}, {"M": {}}, {"SS": ["a"]}, {"NULL": True}])
def test_an_index_that_is_added_leaves_out_rows_whose_key_has_another_type(odd: dict[str, Any]) -> None:
    store = Store(two_keys())
    rows = [Row({**item(pk=pk, sk="1", room="r"), "time": odd}) for pk in "ab"]
    for row in rows:
        store.write(None, row)
    store.define(DEFINITION)
    assert in_order(store, "byTime") == []
    fitting = Row(item(pk="a", sk="1", room="r", time=2))
    store.write(rows[0], fitting)
    assert list(store.by("byTime")) == [fitting]
    store.write(fitting, None)
    assert in_order(store) == [rows[1].item]


def test_a_partition_without_rows_is_forgotten() -> None:
    store = store_of(item(pk="a", sk="1", room="r", time=1))
    (row,) = store.rows
    store.write(row, None)
    assert (store.rows.partitions, store.by("byTime").partitions) == ({}, {})
    assert list(store.rows.scanned()) == list(store.by("byTime").scanned()) == []


@pytest.mark.parametrize(("old", "new", "size"), [(None, 5, 5), (5, None, 5), (5, 9, 9), (9, 5, 9), (None, None, 0)])
def test_a_change_has_the_size_of_the_larger_row(old: int | None, new: int | None, size: int) -> None:
    rows = [None if each is None else Row({}, each) for each in (old, new)]
    assert Change(Store(DEFINITION), *rows).size == size
