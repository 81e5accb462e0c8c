"""Which addresses a tool may connect to: public ones, and those the operator named (pure but for the look-up).

A tool's URL may come from a page or a model, so it must not reach this machine, its network, or the cloud's
metadata service. Every record of a name is judged, and the connection goes to the very address that was judged:
a name that resolves differently the second time gains nothing.
Source: OWASP Server Side Request Forgery Prevention Cheat Sheet; RFC 6890, 6052, 8215, 3056, 4380.
"""

import ipaddress
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from runs.engine.errors import ToolError

Address = IPv4Address | IPv6Address

# Public or "shared" by the registries, but a cloud's own services answer there.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
)
_NAT64 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48")))
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses to try for `host`, in the resolver's order.

    Raises: ToolError `http_dns` when the name does not resolve; `http_refused` when any of its records is not
        public and the operator has not allowed host and port.
    """
    return _judged(host, port, _resolve(host, port))


def judge_literal(host: str, port: int) -> None:
    """Judge a host that is an address in any of its spellings, or this machine's own name, without the network.

    Raises: ToolError `http_refused`
    """
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        _judged(host, port, [ipaddress.ip_address("127.0.0.1")])
    else:
        with suppress(OSError, UnicodeError):
            _judged(host, port, _addresses(socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)))


def _judged(host: str, port: int, addresses: list[Address]) -> list[str]:
    is_allowed = f"{host}:{port}" in allowed_hosts()
    for address in addresses:
        if _is_metadata(address) or not (is_allowed or is_public(address)):
            raise ToolError(
                f"{host} leads to {address}, which is not a public address; to allow it, "
                f"add {host}:{port} to HTTP_ALLOW",
                code="http_refused",
                retryable=False,
            )
    return [str(address) for address in addresses]


def is_public(address: Address) -> bool:
    """Whether `address`, and the IPv4 address it may carry inside, lies in the public internet."""
    carried = _carried(address) if isinstance(address, IPv6Address) else None
    if carried is not None:
        return is_public(carried)
    return address.is_global and not address.is_multicast and address not in _METADATA


def allowed_hosts() -> frozenset[str]:
    """Return the `host:port` pairs of the demo site and of HTTP_ALLOW (a list with commas)."""
    named = os.environ.get("HTTP_ALLOW", "").split(",")
    demo = urlsplit(settings.DEMO_SITE_URL)
    return frozenset(filter(None, (entry.strip().lower() for entry in (*named, demo.netloc))))


def _resolve(host: str, port: int) -> list[Address]:
    try:
        records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ToolError(f"the name {host} does not resolve: {error}", code="http_dns") from error
    return _addresses(records)


def _addresses(records: Sequence[tuple[Any, ...]]) -> list[Address]:
    found = [ipaddress.ip_address(str(record[4][0]).partition("%")[0]) for record in records]
    return list(dict.fromkeys(found))


def _is_metadata(address: Address) -> bool:
    """Whether it is one that no allow-list opens: link-local addresses and metadata services."""
    carried = _carried(address) if isinstance(address, IPv6Address) else None
    return address in _METADATA or address.is_link_local or (carried is not None and _is_metadata(carried))


def _carried(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address inside a mapped, 6to4, Teredo, NAT64 or IPv4-compatible address."""
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and low > 1):
        return IPv4Address(low)
    return None
