"""Requests that are signed for AWS, or should be: who the signer is, or the answer to one who did not sign."""

from __future__ import annotations

from urllib.parse import parse_qs

from .replies import MISSING_TOKEN
from .shapes import header
from .values import Api, Grant, Reply, Request


def judge(request: Request, api: Api, now: float) -> Grant | Reply:
    """What IAM says of a request. A signature is needed, and not looked at."""
    signed = header(request.headers, "authorization") or "X-Amz-Signature" in parse_qs(request.query)
    return Grant() if signed else MISSING_TOKEN


def nowhere(request: Request, route: str, api: Api, now: float) -> Reply:
    """The answer to a request that no method serves."""
    return MISSING_TOKEN
