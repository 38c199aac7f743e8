"""Peers: from which address a request comes, and which addresses are one client's."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from keyrelay.network.egress import Network

Address = IPv4Address | IPv6Address

# RFC 4291 section 2.5.1: what one host may choose freely is the lower half.
_ONE_CLIENT = 64


def address_of(text: str) -> Address | None:
    """Return the address, an IPv4 one that is mapped into IPv6 as IPv4; or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def client_of(text: str) -> str:
    """Return what one client's addresses have in common: IPv6's are one by /64."""
    address = address_of(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, _ONE_CLIENT)))
    return text if address is None else str(address)


def is_private(address: str, scheme: str) -> bool:
    """Tell whether none reads along on the way: it is encrypted, or on this machine."""
    found = address_of(address)
    return scheme == "https" or (found is not None and found.is_loopback)


def is_within(text: str, networks: Iterable[Network]) -> bool:
    address = address_of(text)
    return address is not None and any(address in each for each in networks)


def forwarded_for(
    peer: str, forwarded: Sequence[str], trusted: Sequence[Network]
) -> str:
    """Return the address of the client for which `peer` has connected.

    `forwarded` are the values of X-Forwarded-For. Each proxy adds on the right the
    address that it was reached from: from there on leftwards the first that is no
    trusted proxy's is the client's, for everything before it the client may have
    written itself. What is no address ends the search at the proxy that wrote it.
    """
    client = peer
    for text in reversed(",".join(forwarded).split(",")):
        if not is_within(client, trusted):
            break
        address = address_of(_without_port(text.strip()))
        if address is None:
            break
        client = str(address)
    return client


def _without_port(text: str) -> str:
    """Return the address in `192.0.2.1:80`, `[2001:db8::1]:80` and `[2001:db8::1]`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
