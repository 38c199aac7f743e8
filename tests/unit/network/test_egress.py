from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.network.egress import Egress, InvalidNetwork, parse_networks

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255"]
PUBLIC += ["172.32.0.1", "168.63.129.17", "198.20.0.1", "223.255.255.255", "11.0.0.0"]
PUBLIC += ["2606:4700::1111", "2a00:1450:4001:80b::200e", "2001:4860:4860::8888"]
PUBLIC += ["2606:4700::5efe:8.8.8.8", "2606:4700::5efd:10.0.0.1"]
PUBLIC += ["2001:200::1", "2620:4f:8001::1", "3fff:1000::1"]

SPECIAL = {
    "this host": "0.0.0.0",  # noqa: S104 -- nothing binds to it
    "this network": "0.1.2.3",
    "private, ten": "10.255.255.255",
    "shared by carriers": "100.64.0.1",
    "Alibaba's metadata": "100.100.100.200",
    "the end of the carriers' share": "100.127.255.255",
    "loopback": "127.0.0.1",
    "the end of loopback": "127.255.255.254",
    "Azure's platform": "168.63.129.16",
    "metadata": "169.254.169.254",
    "containers' metadata": "169.254.170.2",
    "private, 172": "172.16.0.1",
    "the end of private, 172": "172.31.255.255",
    "protocol assignments": "192.0.0.8",
    "Oracle's metadata": "192.0.0.192",
    "documentation": "192.0.2.1",
    "AS112": "192.31.196.1",
    "AMT": "192.52.193.1",
    "a 6to4 relay": "192.88.99.1",
    "private, 192": "192.168.0.1",
    "AS112 of old": "192.175.48.1",
    "benchmarking": "198.19.255.255",
    "documentation, 2": "198.51.100.1",
    "documentation, 3": "203.0.113.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "v6 unspecified": "::",
    "v6 loopback": "::1",
    "v6 loopback in full": "0:0:0:0:0:0:0:1",
    "v6 discard": "100::1",
    "v6 segment routing": "5f00::1",
    "v6 unique local": "fc00::1",
    "v6 metadata": "fd00:ec2::254",
    "v6 link-local": "fe80::1",
    "v6 link-local with a zone": "fe80::1%eth0",
    "v6 site-local": "fec0::1",
    "v6 multicast": "ff02::1",
    "v6 global multicast": "ff0e::1",
    "v6 documentation": "2001:db8::1",
    "v6 documentation, 2": "3fff::1",
    "v6 benchmarking": "2001:2::1",
    "v6 ORCHID": "2001:10::1",
    "v6 ORCHIDv2": "2001:20::1",
    "v6 AS112": "2620:4f:8000::1",
    "v6 not assigned": "4000::1",
    "v4-mapped loopback": "::ffff:127.0.0.1",
    "v4-mapped metadata": "::ffff:a9fe:a9fe",
    "v4-compatible private": "::10.0.0.1",
    "v4-translated loopback": "::ffff:0:127.0.0.1",
    "NAT64 of private": "64:ff9b::10.0.0.1",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe",
    "local NAT64 of private": "64:ff9b:1::10.0.0.1",
    "local NAT64, which may hide it in the middle": "64:ff9b:1:a00:0:100:808:808",
    "ISATAP to private, on a public prefix": "2606:4700::5efe:10.0.0.1",
    "ISATAP to loopback, with the universal bit": "2a00:1450::200:5efe:7f00:1",
    "ISATAP to metadata, with the group bit": "2606:4700:1:2:100:5efe:a9fe:a9fe",
    "ISATAP to public, on a local prefix": "fe80::5efe:8.8.8.8",
    "ISATAP to public, on a private prefix": "fd00::200:5efe:8.8.8.8",
    "6to4 of private": "2002:a00:1::1",
    "6to4 of loopback": "2002:7f00:1::",
    "Teredo by a private server": "2001:0:a00:1:0:0:f7f7:f7f7",
    "Teredo to a private client": "2001:0:808:808:0:0:f5ff:fffe",
}

CARRIERS = {
    "v4-mapped": "::ffff:0:0",
    "v4-compatible": "::",
    "NAT64": "64:ff9b::",
}

NO_ADDRESSES = ["", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.01"]
NO_ADDRESSES += [
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "8.8.8.8%eth0",
    "mail.example.com",
]
NO_ADDRESSES += ["[::1]", "8.8.8.8:587", " 8.8.8.8", "8.8.8.8\n", "8.8.8.8/32", "%eth0"]

v4 = st.integers(0, 2**32 - 1).map(IPv4Address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert Egress().permits(address)


@pytest.mark.parametrize("address", SPECIAL.values(), ids=SPECIAL)
def test_special_addresses_are_refused(address: str) -> None:
    assert not Egress().permits(address)


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_only_a_resolver_takes_for_an_address_is_refused(text: str) -> None:
    assert not Egress(parse_networks("0.0.0.0/0, ::/0")).permits(text)


@pytest.mark.parametrize("prefix", CARRIERS.values(), ids=CARRIERS)
@given(carried=v4)
def test_an_address_is_judged_as_the_v4_address_it_carries(
    prefix: str, carried: IPv4Address
) -> None:
    carrier = IPv6Address(int(IPv6Address(prefix)) | int(carried))

    assert Egress().permits(str(carrier)) == Egress().permits(str(carried))


@given(carried=v4, rest=st.integers(0, 2**80 - 1))
def test_6to4_is_judged_as_the_v4_address_it_carries(
    carried: IPv4Address, rest: int
) -> None:
    carrier = IPv6Address(0x2002 << 112 | int(carried) << 80 | rest)

    assert Egress().permits(str(carrier)) == Egress().permits(str(carried))


@given(server=v4, client=v4, flags=st.integers(0, 2**32 - 1))
def test_teredo_is_judged_as_both_v4_addresses_it_carries(
    server: IPv4Address, client: IPv4Address, flags: int
) -> None:
    scrambled = int(client) ^ 0xFFFF_FFFF
    carrier = IPv6Address(
        0x2001_0000 << 96 | int(server) << 64 | flags << 32 | scrambled
    )

    assert Egress().permits(str(carrier)) == all(
        Egress().permits(str(carried)) for carried in (server, client)
    )


@given(
    prefix=st.integers(0, 2**61 - 1),
    bits=st.sampled_from([0, 1, 2, 3]),
    carried=v4,
)
def test_isatap_is_judged_by_its_prefix_and_the_v4_address_it_carries(
    prefix: int, bits: int, carried: IPv4Address
) -> None:
    network = 0b001 << 125 | prefix << 64
    plain = IPv6Address(network | 1)
    carrier = IPv6Address(network | bits << 56 | 0x5EFE << 32 | int(carried))

    assert Egress().permits(str(carrier)) == all(
        Egress().permits(str(judged)) for judged in (plain, carried)
    )


@given(address=v4)
def test_what_python_calls_private_is_never_permitted(address: IPv4Address) -> None:
    assert not (Egress().permits(str(address)) and not address.is_global)


@given(address=st.integers(0, 2**128 - 1).map(IPv6Address))
def test_outside_of_global_unicast_only_carriers_are_permitted(
    address: IPv6Address,
) -> None:
    carriers = [f"{prefix}/96" for prefix in CARRIERS.values()]
    known = map(ip_network, ["2000::/3", *carriers])

    assert not Egress().permits(str(address)) or any(address in one for one in known)


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1"),
        ("10.0.0.0/8", "2002:a00:1::1"),
        ("10.0.0.0/8", "2606:4700::5efe:10.0.0.1"),
        ("::1", "::1"),
        ("fd00::/8", "fd12::1"),
        ("fe80::/10", "fe80::1%eth0"),
        ("64:ff9b:1::/48", "64:ff9b:1::10.0.0.1"),
        ("192.168.7.0/24 , fd00::/8,10.0.0.0/8,", "10.0.0.1"),
    ],
)
def test_a_network_allowed_by_name_is_permitted(named: str, address: str) -> None:
    assert not Egress().permits(address)
    assert Egress(parse_networks(named)).permits(address)


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ("10.0.0.0/8", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "::1"),
        ("::1", "127.0.0.1"),
        ("10.0.0.0/8", "::ffff:127.0.0.1"),
        ("10.0.0.0/8", "2001:0:a00:1:0:0:80ff:fffe"),
        ("fd00::/8", "fc00::1"),
    ],
)
def test_an_allowed_network_opens_no_other(named: str, address: str) -> None:
    assert not Egress(parse_networks(named)).permits(address)


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_without_names_no_network_is_allowed(text: str) -> None:
    assert parse_networks(text) == ()


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "10/8", "localhost", "127.1", "10.0.0.0/33", "1.1.1.1;2"]
)
def test_an_invalid_network_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidNetwork, match="is not a network like"):
        parse_networks(f"127.0.0.1, {text}")
