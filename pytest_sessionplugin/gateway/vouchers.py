"""Claims that a test gave to a request, kept here while the request is on its way.

They never travel themselves. What does is a number that nobody can guess and that is good once: whoever was given
none, and reaches the same port, cannot say who he is.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from .values import Claims, Request

HEADER = "X-Sessionplugin-Voucher"


class Vouchers:
    """Not thread-safe: the driver holds its lock around each call."""

    def __init__(self) -> None:
        self._claims: dict[str, Claims] = {}

    def issue(self, claims: Claims) -> tuple[str, str]:
        """The header that the request is to carry."""
        number = secrets.token_urlsafe(24)
        self._claims[number] = dict(claims)
        return HEADER, number

    def redeem(self, request: Request) -> Request:
        """The request with the claims that it was given, if it was, and without the header in any case."""
        numbers = [value for name, value in request.headers if name.lower() == HEADER.lower()]
        if not numbers:
            return request
        headers = tuple(pair for pair in request.headers if pair[0].lower() != HEADER.lower())
        claims = [self._claims.pop(number, None) for number in numbers]
        return replace(request, headers=headers, claims=claims[-1])
