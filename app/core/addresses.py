"""Where a request comes from, as limits count it.

An IPv6 household has at least a /64 (RFC 6177), 2^64 addresses to choose from: counting single ones counts nothing.
Reads: the request's address.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from typing import Final

from flask import request

IPV6_PREFIX_BITS: Final = 64
IPV6_PROVIDER_BITS: Final = 48
"""What a customer of a hosting provider or tunnel broker gets for the asking (RFC 6177 §2)."""


def read_network() -> str:
    """The caller's IPv4 address or IPv6 /64; what is no address (a local socket) as it is."""
    return name_network(str(request.remote_addr))


def name_network(address: str) -> str:
    """The name under which `address` is counted; an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is that one."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ip_network((int(parsed), IPV6_PREFIX_BITS), strict=False))
    return str(parsed)


def name_provider(network: str) -> str:
    """The /48 that an IPv6 network or address lies in; empty for IPv4, where many strangers share one address."""
    try:
        parsed = ip_network(network, strict=False)
    except ValueError:
        return ""
    if isinstance(parsed, IPv4Network):
        return ""
    return str(ip_network((int(parsed.network_address), IPV6_PROVIDER_BITS), strict=False))
