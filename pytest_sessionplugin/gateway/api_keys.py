"""API keys: whether a request brings one that its method needs.

It counts nothing: usage plans, and so quotas, are no part of what Chalice deploys.

Source: "Usage plans and API keys for REST APIs" in the developer guide, and Chalice's tests against AWS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from .replies import FORBIDDEN
from .rest import Match
from .shapes import header
from .values import Api, Reply, Request


def identify(request: Request, match: Match, api: Api) -> Mapping[str, str] | Reply:
    """What a key adds to the identity: nothing where none is needed."""
    if request.method not in match.route.keyed:
        return {}
    key = header(request.headers, "x-api-key")
    if not key or key not in api.api_keys:
        return FORBIDDEN
    return {"apiKey": key, "apiKeyId": _id(key)}


def _id(key: str) -> str:
    """Ten characters, as real ones have, and always the same ones for a key."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:10]
