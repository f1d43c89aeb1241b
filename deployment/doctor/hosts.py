"""Where a host is, judged by its name. Asks no resolver."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def host_of(value: str) -> str:
    """The host of a URL or a bare name; an issuer may be either (RFC 7519, 2). Empty if there is none."""
    try:
        return urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether it is this machine: `localhost`, a name below it, or a loopback address."""
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_private_name(host: str) -> bool:
    """Whether it has no meaning elsewhere: loopback, a local name (RFC 6762, `.local`), or a link-local address.

    An AWS machine serves its credentials at a link-local address.
    """
    name = host.removesuffix(".")
    address = _address(name)
    is_local = name == "local" or name.endswith(".local")
    return is_loopback(name) or is_local or (address is not None and address.is_link_local)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
