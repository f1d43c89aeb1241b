"""Lots and the bids on them. A bid is one conditional write, so that two bidders cannot both be the highest."""

import uuid
from typing import Any

Lot = dict[str, Any]
"""lotId, seller, title, price, bidder (None before the first bid), status (open or sold)."""

MINIMUM_RAISE = 1


class UnknownLot(Exception):
    """The lot does not exist."""


class Refused(Exception):
    """The lot does not take this bid."""


class NotTheSeller(Exception):
    """Only the seller may sell the lot."""


class Lots:
    def __init__(self, table: Any) -> None:
        self._table = table
        self._exceptions = table.meta.client.exceptions

    def put_up(self, seller: str, title: str, price: int) -> Lot:
        lot = {
            "lotId": uuid.uuid4().hex,
            "seller": seller,
            "title": title,
            "price": price,
            "bidder": None,
            "status": "open",
        }
        self._table.put_item(Item=lot)
        return lot

    def find(self, lot_id: str) -> Lot:
        item = lot_id and self._table.get_item(Key={"lotId": lot_id}, ConsistentRead=True).get("Item")
        if not item:
            raise UnknownLot(f"there is no lot {lot_id}")
        return _lot(item)

    def bid(self, lot_id: str, bidder: str, amount: int) -> Lot:
        try:
            written = self._table.update_item(
                Key={"lotId": lot_id},
                UpdateExpression="SET price = :amount, bidder = :bidder",
                ConditionExpression="#status = :open AND price <= :below",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":amount": amount,
                    ":bidder": bidder,
                    ":open": "open",
                    ":below": amount - MINIMUM_RAISE,
                },
                ReturnValues="ALL_NEW",
            )
        except self._exceptions.ConditionalCheckFailedException as failed:
            lot = self.find(lot_id)
            if (lot["bidder"], lot["price"]) == (bidder, amount):
                return lot  # this bid succeeded before, but its answer was lost
            if lot["status"] == "sold":
                raise Refused("the lot is sold") from failed
            raise Refused(f"the price is {lot['price']}; bid {lot['price'] + MINIMUM_RAISE} or more") from failed
        return _lot(written["Attributes"])

    def sell(self, lot_id: str, seller: str) -> Lot:
        try:
            written = self._table.update_item(
                Key={"lotId": lot_id},
                UpdateExpression="SET #status = :sold",
                ConditionExpression="seller = :seller",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":sold": "sold", ":seller": seller},
                ReturnValues="ALL_NEW",
            )
        except self._exceptions.ConditionalCheckFailedException as failed:
            raise NotTheSeller(f"the lot is {self.find(lot_id)['seller']}'s") from failed
        return _lot(written["Attributes"])


def _lot(item: Lot) -> Lot:
    return {**item, "price": int(item["price"])}  # DynamoDB returns a Decimal
