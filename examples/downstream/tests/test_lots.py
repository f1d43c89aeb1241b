"""Lots over HTTP, and the rights of sellers and bidders."""

import pytest


def test_a_lot_from_its_first_price_to_the_hammer(seller, bidder, lot):
    bidder.post(f"{lot}/bids", json={"amount": 120}).raise_for_status()
    assert seller.post(f"{lot}/hammer").json()["status"] == "sold"
    shown = bidder.get(lot).json()
    assert (shown["title"], shown["seller"], shown["bidder"], shown["price"]) == ("A clock", "sam", "bea", 120)
    late = bidder.post(f"{lot}/bids", json={"amount": 200})
    assert (late.status_code, late.json()["Message"]) == (409, "the lot is sold")


def test_a_low_bid_is_answered_with_the_price(bidder, lot, dynamodb_tables):
    refused = bidder.post(f"{lot}/bids", json={"amount": 100})
    assert (refused.status_code, refused.json()["Message"]) == (409, "the price is 100; bid 101 or more")
    assert [row["bidder"] for row in dynamodb_tables.items("Lots")] == [None]


def test_the_house_can_ask_for_more(bidder, lot, monkeypatch):
    monkeypatch.setattr("chalicelib.lots.MINIMUM_RAISE", 50)
    assert bidder.post(f"{lot}/bids", json={"amount": 149}).status_code == 409
    assert bidder.post(f"{lot}/bids", json={"amount": 150}).is_success


def test_only_the_seller_sells_a_lot(bidder, lot):
    assert bidder.post(f"{lot}/hammer").status_code == 403
    assert bidder.get(lot).json()["status"] == "open"


@pytest.mark.parametrize("body", [{}, {"amount": "120"}, {"amount": -1}, {"amount": 1.5}])
def test_a_bid_is_a_positive_whole_number(bidder, lot, body):
    assert bidder.post(f"{lot}/bids", json=body).status_code == 400


def test_an_unknown_lot_is_404(bidder):
    assert bidder.get("/lots/none").status_code == 404
    assert bidder.post("/lots/none/bids", json={"amount": 120}).status_code == 404


# --- the authorizer


def test_a_bid_needs_a_token(chalice_gateway, lot, aws_calls):
    with aws_calls.exactly(dynamodb=0):
        assert chalice_gateway.post(f"{lot}/bids", json={"amount": 120}).status_code == 401
    assert chalice_gateway.get(lot).is_success  # looking needs no token


def test_a_bid_needs_a_valid_token(chalice_gateway, bad_jwt, lot):
    assert chalice_gateway.post(f"{lot}/bids", json={"amount": 120}, token=bad_jwt).status_code == 403


# --- other clients


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_client_of_requests_sees_the_lot(chalice_gateway, lot):
    with chalice_gateway.requests_session() as session:
        assert session.get(lot).json()["title"] == "A clock"
