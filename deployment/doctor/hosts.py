"""What the name of a host says of where it is. Asks no resolver."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether it is the machine itself: `localhost`, a name below it, or an address of loopback."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_name(host: str) -> bool:
    """Whether nobody elsewhere can know it: loopback, or a name of a local network (RFC 6762, `.local`)."""
    return is_loopback(host) or host == "local" or host.endswith(".local")
