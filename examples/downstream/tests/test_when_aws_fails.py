"""The cost of a bid, bids while AWS fails, and two bids at once."""


def test_a_bid_is_one_write_one_read_and_a_post_for_each_watcher(bidder, lot, watching, aws_calls):
    with watching(), watching():
        budget = {"dynamodb:UpdateItem": 1, "dynamodb:Query": 1, "dynamodb": 2, "apigatewaymanagementapi": 2}
        with aws_calls.exactly(budget):
            bidder.post(f"{lot}/bids", json={"amount": 120})


def test_a_throttled_table_costs_retries(bidder, lot, aws_faults, aws_calls):
    aws_faults.throttled("dynamodb:UpdateItem", times=2)
    assert bidder.post(f"{lot}/bids", json={"amount": 120}).json()["price"] == 120
    assert aws_calls.retries == 2


def test_a_bid_whose_answer_is_lost_still_stands(bidder, lot, watching, aws_faults):
    with watching() as watcher:
        aws_faults.answer_lost("dynamodb:UpdateItem", times=1)
        assert bidder.post(f"{lot}/bids", json={"amount": 120}).is_success
        watcher.expect(type="bid", price=120)
        watcher.receive_nothing()


def test_a_gone_watcher_is_removed_and_the_others_hear(bidder, lot, watching, aws_faults, dynamodb_tables):
    with watching() as gone, watching() as here:
        aws_faults.gone(gone.connection_id)
        bidder.post(f"{lot}/bids", json={"amount": 120})
        here.expect(type="bid", price=120)
        assert [row["connectionId"] for row in dynamodb_tables.items("Watchers")] == [here.connection_id]


def test_of_two_bids_at_once_one_wins(chalice_gateway, jwt_tokens, lot, watching, aws_race):
    bidders = [chalice_gateway.http(token=jwt_tokens(name)) for name in ("bea", "ben")]
    with watching() as watcher:
        with aws_race("dynamodb:UpdateItem", parties=2) as race:
            answers = race.run(*(lambda each=each: each.post(f"{lot}/bids", json={"amount": 120}) for each in bidders))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        (winner,) = [answer.json()["bidder"] for answer in answers if answer.is_success]
        watcher.expect(type="bid", price=120, bidder=winner)
        watcher.receive_nothing()
