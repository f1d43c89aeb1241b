"""The parcels of the depot."""

from chalice import Blueprint, NotFoundError

parcels = Blueprint(__name__)


@parcels.route("/{number}")
def find(number):
    if number != "1":
        raise NotFoundError(number)
    return {"number": number}


@parcels.route("/", methods=["POST"])
def take():
    return parcels.current_request.json_body
