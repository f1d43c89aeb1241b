"""Requests that are signed for AWS, or should be: who the signer is, or the answer to one who did not sign.

It keeps no keys.
"""

from __future__ import annotations

from . import signature
from .replies import no_method
from .values import Api, Grant, Reply, Request


def judge(request: Request, api: Api, now: float) -> Grant | Reply:
    """What IAM says of a request: every key of the account may call every method."""
    signer = signature.verify(request, api.access_keys, api.region, now)
    return signer if isinstance(signer, Reply) else Grant(identity=_identity(signer.access_key, api))


def nowhere(request: Request, route: str, api: Api, now: float) -> Reply:
    """The answer to a request that no method serves: only to somebody who signed it that there is none."""
    verdict = judge(request, api, now)
    return verdict if isinstance(verdict, Reply) else no_method(request.method, route)


def _identity(access_key: str, api: Api) -> dict[str, str]:
    """Nobody here knows users by their keys: each key is a user, who is called like it."""
    return {
        "accessKey": access_key,
        "accountId": api.account_id,
        "caller": access_key,
        "user": access_key,
        "userArn": f"arn:{api.partition}:iam::{api.account_id}:user/{access_key}",
    }
