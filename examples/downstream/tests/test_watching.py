"""Messages to the watchers of a lot, and refused watchers."""

import pytest

from pytest_sessionplugin import HandshakeRefused


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_every_watcher_hears_of_each_bid(bidder, seller, lot, watching):
    with watching() as one, watching() as other, watching() as third:
        bidder.post(f"{lot}/bids", json={"amount": 120})
        seller.post(f"{lot}/hammer")
        one.expect(type="bid", price=120, bidder="bea")
        one.expect(type="sold", price=120, bidder="bea")
        one.receive_nothing()
        other.expect(type="sold", price=120, skip=True)
        assert [frame.json()["type"] for frame in third] == ["bid", "sold"]


def test_watchers_do_not_hear_of_a_refused_bid(bidder, lot, watching):
    with watching() as watcher:
        bidder.post(f"{lot}/bids", json={"amount": 1})
        watcher.receive_nothing()


def test_a_watcher_can_ask_for_the_state_of_the_lot(lot, watching):
    with watching() as watcher:
        watcher.send_text("?")
        watcher.expect(type="lot", lotId=lot.removeprefix("/lots/"), price=100, bidder=None, status="open")


def test_a_sold_lot_cannot_be_watched(seller, lot, watching, dynamodb_tables):
    seller.post(f"{lot}/hammer")
    with pytest.raises(HandshakeRefused) as refused:
        watching()
    assert refused.value.status_code == 410
    assert dynamodb_tables.count("Watchers") == 0


@pytest.mark.parametrize("params", [None, {"lot": "none"}])
def test_an_unknown_lot_cannot_be_watched(chalice_gateway, params):
    with pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket("/", params=params)
    assert refused.value.status_code == 404


def test_a_watcher_who_leaves_is_removed(chalice_gateway, watching, dynamodb_tables):
    with watching():
        assert dynamodb_tables.count("Watchers") == 1
    chalice_gateway.settle()
    assert dynamodb_tables.count("Watchers") == 0
