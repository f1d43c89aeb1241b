"""What the name of a host says of where it is. Asks no resolver."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether it is the machine itself: `localhost`, a name below it, or an address that stays in it."""
    name = host.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_private_name(host: str) -> bool:
    """Whether nobody elsewhere can know it: loopback, or a name of a local network (RFC 6762, `.local`), or an address
    of one link alone, at which a machine of AWS tells its credentials."""
    name = host.removesuffix(".")
    address = _address(name)
    is_local = name == "local" or name.endswith(".local")
    return is_loopback(name) or is_local or (address is not None and address.is_link_local)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
