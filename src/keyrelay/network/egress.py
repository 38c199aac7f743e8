"""Egress: the network addresses that Keyrelay may connect to.

`ipaddress.is_global` of Python calls addresses global that can lead to private ones:
NAT64, v4-compatible, 6to4 and multicast forms are among them. Hence this table, from
IANA's registries of special-purpose addresses (RFC 6890).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host on this network, RFC 791
            "10.0.0.0/8",  # private, RFC 1918
            "100.64.0.0/10",  # shared by carriers, RFC 6598
            "127.0.0.0/8",  # loopback, RFC 1122
            "168.63.129.16/32",  # Azure's platform inside of every machine
            "169.254.0.0/16",  # link-local, RFC 3927; clouds keep metadata here
            "172.16.0.0/12",  # private, RFC 1918
            "192.0.0.0/24",  # protocol assignments, RFC 6890
            "192.0.2.0/24",  # documentation, RFC 5737
            "192.31.196.0/24",  # AS112, RFC 7535
            "192.52.193.0/24",  # AMT, RFC 7450
            "192.88.99.0/24",  # 6to4 relays, RFC 7526
            "192.168.0.0/16",  # private, RFC 1918
            "192.175.48.0/24",  # AS112, RFC 7534
            "198.18.0.0/15",  # benchmarking, RFC 2544
            "198.51.100.0/24",  # documentation, RFC 5737
            "203.0.113.0/24",  # documentation, RFC 5737
            "224.0.0.0/4",  # multicast, RFC 5771
            "240.0.0.0/4",  # reserved, RFC 1112, and broadcast, RFC 919
        ),
    )
)

# What is outside of this network is loopback, local, multicast or not assigned:
# fc00::/7 with fd00:ec2::254, fe80::/10, fec0::/10, ff00::/8, 100::/64, 5f00::/16,
# and 64:ff9b:1::/48 (RFC 8215), in which an address can stand in four places.
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291 section 2.4

# https://www.iana.org/assignments/iana-ipv6-special-registry
_SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, RFC 2928: benchmarking, ORCHID
            "2001:db8::/32",  # documentation, RFC 3849
            "2620:4f:8000::/48",  # AS112, RFC 7534
            "3fff::/20",  # documentation, RFC 9637
        ),
    )
)

_LOW_32 = 0xFFFF_FFFF
# Networks whose v6 addresses carry v4 ones: bits to shift right, and mask to XOR with.
_CARRIERS = (
    (IPv6Network("::/96"), ((0, 0),)),  # v4-compatible, RFC 4291 section 2.5.5.1
    (IPv6Network("::ffff:0:0/96"), ((0, 0),)),  # v4-mapped, section 2.5.5.2
    (IPv6Network("64:ff9b::/96"), ((0, 0),)),  # NAT64, RFC 6052
    (IPv6Network("2002::/16"), ((80, 0),)),  # 6to4, RFC 3056
    (IPv6Network("2001::/32"), ((64, 0), (0, _LOW_32))),  # Teredo, RFC 4380
)
# The lower half of an ISATAP address (RFC 5214 section 6.1), on whatever prefix: this,
# with any universal and group bits, and then the v4 address that its packets go to.
_ISATAP, _ISATAP_BITS = 0x0000_5EFE, 0xFCFF_FFFF


class InvalidNetwork(ValueError):
    """The text is no network; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Egress:
    """Permits public addresses, and the networks that the operator allowed."""

    allowed: tuple[Network, ...] = ()

    def permits(self, address: str) -> bool:
        """Tell whether to connect to `address`; False for a text that is no address.

        A v6 address that carries v4 addresses is permitted if all of those are; one
        of ISATAP has to be public itself as well.
        """
        parsed = _parse(address)
        if parsed is None:
            return False
        if self._allows(parsed):
            return True
        return all(
            self._allows(judged) or _is_public(judged) for judged in _judged(parsed)
        )

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)


def egress_to(networks: Iterable[str]) -> Egress:
    """Permit these networks too, each written as `parse_networks` reads it."""
    return Egress(parse_networks(", ".join(networks)))


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks and addresses, separated by commas, or raise InvalidNetwork."""
    return tuple(_network(entry.strip()) for entry in text.split(",") if entry.strip())


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise InvalidNetwork(
            f"{text!r} is not a network like 10.0.0.0/8 or an address like 127.0.0.1"
        ) from None


def _parse(text: str) -> Address | None:
    # A zone id (RFC 4007) names an interface of this host, not another address.
    bare, zone, _ = text.partition("%")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    return None if zone and address.version == 4 else address


def _judged(address: Address) -> tuple[Address, ...]:
    """Return the addresses to judge it by: those that it leads to."""
    if isinstance(address, IPv4Address):
        return (address,)
    carried = _carried(address) or (address,)
    if int(address) >> 32 & _ISATAP_BITS == _ISATAP:
        return (*carried, IPv4Address(int(address) & _LOW_32))
    return carried


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    return tuple(
        IPv4Address(int(address) >> shift & _LOW_32 ^ scramble)
        for network, places in _CARRIERS
        if address in network
        for shift, scramble in places
    )


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    special = any(address in network for network in _SPECIAL_V6)
    return address in _GLOBAL_UNICAST and not special
