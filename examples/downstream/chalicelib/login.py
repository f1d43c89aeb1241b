"""Identifies callers by the tokens of the auction's login."""

import jwt

ISSUER = "https://login.auction.example"
AUDIENCE = "auction"


def subject_of(header: str, key: str) -> str | None:
    """The subject of an `Authorization` header; None if its token is not valid."""
    scheme, _, token = header.partition(" ")
    if scheme != "Bearer":
        return None
    try:
        claims = jwt.decode(
            token, key, ["ES256"], audience=AUDIENCE, issuer=ISSUER, options={"require": ["sub", "exp"]}
        )
    except jwt.InvalidTokenError:
        return None
    return str(claims["sub"])
