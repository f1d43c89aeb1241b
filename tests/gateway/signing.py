"""Headers of a request that botocore signed, by the clock of this process."""

from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HOST = "chat.example"


def signed(method: str, target: str, key: str, secret: str, body: bytes = b"", host: str = HOST) -> dict[str, str]:
    """They hold for a request with just this method, target and body."""
    request = AWSRequest(method, f"https://{HOST}{target}", headers={"Host": host}, data=body)
    SigV4Auth(Credentials(key, secret), "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers.items())
