"""Server URL: what libpq takes is taken, and means the same to the driver."""

from dataclasses import dataclass
from urllib.parse import quote

import pytest
from asyncpg import connect_utils
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.databases.opening import has_password, is_same
from keyrelay.databases.server_url import (
    InvalidServerUrl,
    is_server_url,
    parse_server_url,
)

HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,5}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
PORTS = st.integers(1, 65535)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@dataclass
class Read:
    """What the driver takes from a DSN."""

    addresses: list[object]
    said: "connect_utils._ConnectionParameters"


def as_the_driver_reads(dsn: str) -> Read:
    names = (
        *("host", "port", "user", "password", "passfile", "database", "ssl", "service"),
        *("servicefile", "server_settings", "target_session_attrs", "krbsrvname"),
        "gsslib",
    )
    read = connect_utils._parse_connect_dsn_and_args
    addresses, said = read(dsn=dsn, direct_tls=False, **dict.fromkeys(names))
    return Read(addresses, said)


@given(
    scheme=st.sampled_from(["postgresql", "postgres"]),
    hosts=st.lists(st.tuples(HOSTS, PORTS), min_size=1, max_size=4),
    user=WORDS,
    password=WORDS,
    database=WORDS,
)
def test_hosts_login_and_database_reach_the_driver_as_they_were_meant(
    scheme: str,
    hosts: list[tuple[str, int]],
    user: str,
    password: str,
    database: str,
) -> None:
    named = ",".join(f"{host}:{port}" for host, port in hosts)
    login, path = (
        f"{quote(user, safe='')}:{quote(password, safe='')}",
        quote(database, safe=""),
    )

    url = parse_server_url(f"{scheme}://{login}@{named}/{path}")
    read = as_the_driver_reads(url.dsn)

    assert read.addresses == [(host.strip("[]"), port) for host, port in hosts]
    assert read.said.user == user
    assert read.said.password == password
    assert read.said.database == database
    assert url.has_password
    assert url.shown == f"postgresql://{named}/{path}"


@given(host=HOSTS, port=PORTS, password=WORDS)
def test_a_host_and_a_password_may_stand_in_the_query(
    host: str, port: int, password: str
) -> None:
    options = f"host={host}&port={port}&password={quote(password, safe='')}"

    url = parse_server_url(f"postgresql://ada@/keyrelay?{options}")
    read = as_the_driver_reads(url.dsn)

    assert read.addresses == [(host.strip("[]"), port)]
    assert read.said.password == password
    assert url.has_password
    assert password not in url.shown.removeprefix(f"postgresql://{host}")[9:]


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://ada@%2Frun%2Fpg:5433/k", "/run/pg/.s.PGSQL.5433"),
        ("postgresql://ada@/k?host=/run/pg&port=5433", "/run/pg/.s.PGSQL.5433"),
        ("postgresql+asyncpg://ada@db/k", ("db", 5432)),
    ],
)
def test_a_socket_or_a_single_host_is_reached(url: str, where: object) -> None:
    read = as_the_driver_reads(parse_server_url(url).dsn)

    assert read.addresses == [where]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("", "read-write"),
        ("?target_session_attrs=any", "any"),
        ("?target_session_attrs=primary", "primary"),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_looked_for(
    options: str, wanted: str
) -> None:
    url = parse_server_url(f"postgresql://ada@one,two:5433/k{options}")

    read = as_the_driver_reads(url.dsn)

    assert read.said.target_session_attrs.value == wanted


def test_what_changes_no_promise_is_passed_over_and_not_sent_to_the_server() -> None:
    options = "connect_timeout=10&keepalives_idle=30&channel_binding=prefer"

    url = parse_server_url(f"postgres://ada@db/k?{options}&gssencmode=disable")
    read = as_the_driver_reads(url.dsn)

    assert not read.said.server_settings


@pytest.mark.parametrize("mode", ["require", "verify-ca", "disable"])
def test_how_tls_is_checked_reaches_the_driver(mode: str) -> None:
    url = parse_server_url(f"postgresql://db/k?sslmode={mode}&sslrootcert=/ca.pem")

    assert f"sslmode={mode}" in url.dsn
    assert "sslrootcert=%2Fca.pem" in url.dsn
    assert not url.tls


def test_a_server_that_is_verified_is_so_by_a_context_of_ours() -> None:
    url = parse_server_url(
        "postgresql://db/k?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/me.pem"
    )

    assert url.dsn == "postgresql://db/k?sslmode=verify-full"
    assert url.tls == {
        "sslmode": "verify-full",
        "sslrootcert": "/ca.pem",
        "sslcert": "/me.pem",
    }


def test_the_systems_trust_anchors_may_be_asked_for() -> None:
    url = parse_server_url("postgresql://db/k?sslrootcert=system")

    assert url.tls["sslrootcert"] == "system"
    assert url.dsn == "postgresql://db/k?sslmode=verify-full"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://db:no/k", "port"),
        ("postgresql://one:1,two:99999/k", "port"),
        ("postgresql://one:²/k", "port"),
        ("postgresql://db/k?port=1,x", "port"),
        ("postgresql://%2Frun:x/k", "port"),
        ("postgresql://[::1/k", "brackets"),
        ("mysql://db/k", "begins with"),
        ("postgresql://db/k?sslmod=require", "no option sslmod"),
        ("postgresql://db/k?sslmode", "no value"),
        ("postgresql://db/k?channel_binding=require", "channel_binding"),
        ("postgresql://db/k?client_encoding=LATIN1", "client_encoding"),
        ("postgresql://db/k?gssencmode=require", "gssencmode"),
        ("postgresql://db/k?sslrootcert=system&sslmode=require", "verify-full"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(url: str, said: str) -> None:
    with pytest.raises(InvalidServerUrl, match=said):
        parse_server_url(url)


def test_other_urls_are_no_servers() -> None:
    assert not is_server_url("sqlite:////var/lib/keyrelay.db")
    assert not is_server_url("mysql://db/k")


def test_the_same_database_is_known_whatever_its_login() -> None:
    assert is_same("postgres://ada@db/k", "postgresql://bob:x@db/k?sslmode=require")
    assert not is_same("postgres://ada@db/k", "postgres://ada@db/other")
    assert is_same("sqlite:////k.db", "sqlite:////k.db")
    assert not has_password("sqlite:////k.db")
