"""Checks tokens of Cognito user pools as API Gateway does; signatures by a function that the route gives.

Sources: "Use Amazon Cognito user pools as an authorizer" in the developer guide, "How do I troubleshoot 401 errors"
in the AWS Knowledge Center, and captures of real events for the form of the claims.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pytest_sessionplugin.gateway.core.gateway_responses import UNAUTHORIZED, failure
from pytest_sessionplugin.gateway.core.integration import as_text
from pytest_sessionplugin.gateway.values import Authorizer, Grant, Reply

EXPIRED = failure(401, "The incoming token has expired", "UnauthorizedException")

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATES = frozenset({"exp", "iat"})


def judge(authorizer: Authorizer, token: str, now: float) -> Grant | Reply:
    """Grants or refuses a request with this token, the whole value of the header.

    A method without scopes takes identity tokens, one with scopes the access tokens that have one of them.
    """
    token = token[7:].strip() if token[:7].lower() == "bearer " else token
    claims = _claims(token)
    if claims is None:
        return _refused("the token is not a JWT that is signed with RS256")
    if not _is_of_a_pool(authorizer, claims.get("iss")):
        return _refused(f"the token's issuer is {claims.get('iss')}, not the pool")
    if authorizer.verified is not None and not authorizer.verified(token):
        return _refused("the token's signature is not by a key of the pool")
    expires, use = claims.get("exp"), "access" if authorizer.scopes else "id"
    if claims.get("token_use") != use:
        rule = "with" if authorizer.scopes else "without"
        return _refused(f"token_use is {claims.get('token_use')}; a method {rule} scopes takes {use} tokens")
    if not isinstance(expires, (int, float)):
        return _refused("the token has no exp")
    if not now < expires < math.inf:  # Python reads NaN and Infinity
        return replace(EXPIRED, why="the token has expired")
    if authorizer.scopes and not set(authorizer.scopes) & set(str(claims.get("scope", "")).split()):
        return _refused(f"the token has none of the scopes {', '.join(authorizer.scopes)}")
    return Grant({"claims": {name: _text(shown(name, value)) for name, value in claims.items()}})


def _refused(why: str) -> Reply:
    return replace(UNAUTHORIZED, why=why)


def issuer(pool: str) -> str | None:
    """The `iss` claim of a pool's tokens; None if `pool` is not the ARN of one."""
    arn = pool.split(":")
    if len(arn) != 6 or arn[2] != "cognito-idp" or not arn[5].startswith("userpool/"):
        return None
    domain = "amazonaws.com.cn" if arn[1] == "aws-cn" else "amazonaws.com"
    return f"https://cognito-idp.{arn[3]}.{domain}/{arn[5].removeprefix('userpool/')}"


def shown(name: str, value: Any) -> Any:
    """A claim in the form of an event: dates in words, lists joined by commas, other values unchanged."""
    if isinstance(value, (list, tuple)):
        return ",".join(_text(each) for each in value)
    if name in _DATES and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return _date(datetime.fromtimestamp(value, UTC))
        except (OverflowError, ValueError, OSError):
            return value
    return value


def _is_of_a_pool(authorizer: Authorizer, said: Any) -> bool:
    """Whether the issuer is one of the pools. A pool without an ARN before deployment may have any issuer."""
    issuers = [issuer(pool) for pool in authorizer.pools]
    return said in issuers or None in issuers


def _claims(token: str) -> Mapping[str, Any] | None:
    """The claims of a token; None if it is not one of a pool, which are signed with RS256."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return None
    head, claims = _part(parts[0]), _part(parts[1])
    return claims if head is not None and head.get("alg") == "RS256" else None


def _part(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: Any) -> str:
    text = as_text(value)
    return json.dumps(value) if text is None else text


def _date(at: datetime) -> str:
    """A date as Java writes it: Wed May 01 13:10:22 UTC 2024."""
    day = f"{_DAYS[at.weekday()]} {_MONTHS[at.month - 1]} {at.day:02}"
    return f"{day} {at.hour:02}:{at.minute:02}:{at.second:02} UTC {at.year}"
