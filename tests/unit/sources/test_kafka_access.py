"""Access to Kafka: which settings go together, and what a password file may hold."""

import os
from pathlib import Path
from typing import TypedDict

import pytest
import trustme

from keyrelay.app.kafka import kafka_access
from keyrelay.app.settings_loading import load_settings
from keyrelay.model.secret import SecretValue
from keyrelay.ports import Unavailable
from keyrelay.sources.kafka.connecting.access import Access, InvalidAccess, password_of
from keyrelay.sources.kafka.connecting.address import parse_address
from keyrelay.sources.kafka.connecting.connection import (
    Connection,
    connection_to,
    tls_context,
)

CANARY = "canary-7f3a"
ADDRESS = parse_address("kafka://a,[::1]:9093")


class Given(TypedDict, total=False):
    tls: bool
    ca_file: Path
    mechanism: str
    username: str
    password: SecretValue
    password_file: Path


SCRAM = Given(mechanism="SCRAM-SHA-512", username="ada", password=SecretValue(CANARY))


def connected(access: Access) -> Connection:
    return connection_to(ADDRESS, access)


def test_by_default_there_is_no_tls_and_no_login() -> None:
    assert connected(Access()).arguments() == {
        "bootstrap_servers": ["a:9092", "[::1]:9093"],
        "client_id": "keyrelay",
        "security_protocol": "PLAINTEXT",
        "ssl_context": None,
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": None,
        "sasl_plain_password": None,
    }


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        (Given(tls=True), "SSL"),
        (SCRAM, "SASL_PLAINTEXT"),
        (Given(**SCRAM, tls=True), "SASL_SSL"),
        (Given(**{**SCRAM, "mechanism": "PLAIN"}, tls=True), "SASL_SSL"),
    ],
)
def test_each_kind_of_access_has_its_protocol(given: Given, protocol: str) -> None:
    arguments = connected(Access(**given)).arguments()

    assert arguments["security_protocol"] == protocol
    assert (arguments["ssl_context"] is None) == ("tls" not in given)


def test_a_login_is_passed_to_the_client() -> None:
    arguments = connected(Access(**SCRAM)).arguments()

    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert arguments["sasl_plain_username"] == "ada"
    assert arguments["sasl_plain_password"] == CANARY


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Given(ca_file=Path("ca.pem")), "needs KEYRELAY_KAFKA_TLS=true"),
        (Given(username="ada"), "needs KEYRELAY_KAFKA_MECHANISM"),
        (Given(password=SecretValue(CANARY)), "needs KEYRELAY_KAFKA_MECHANISM"),
        (Given(password_file=Path("p")), "needs KEYRELAY_KAFKA_MECHANISM"),
        (Given(mechanism="SCRAM-SHA-256"), "needs KEYRELAY_KAFKA_USERNAME"),
        (Given(mechanism="SCRAM-SHA-256", username="ada"), "either"),
        (Given(mechanism="PLAIN", password=SecretValue(CANARY)), "either"),
        (Given(**{**SCRAM, "username": ""}), "either"),
        (Given(**SCRAM, password_file=Path("p")), "either"),
        (Given(**{**SCRAM, "mechanism": "PLAIN"}), "PLAIN sends the password"),
    ],
)
def test_what_does_not_go_together_is_refused(given: Given, sentence: str) -> None:
    with pytest.raises(InvalidAccess, match=sentence) as refusal:
        Access(**given)

    assert CANARY not in repr(refusal.value)


def test_access_is_read_from_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KEYRELAY_HOME", str(tmp_path))
    monkeypatch.setenv("KEYRELAY_KAFKA_TLS", "true")
    monkeypatch.setenv("KEYRELAY_KAFKA_MECHANISM", "PLAIN")
    monkeypatch.setenv("KEYRELAY_KAFKA_USERNAME", "ada")
    monkeypatch.setenv("KEYRELAY_KAFKA_PASSWORD", CANARY)

    access = kafka_access(load_settings(None, {}))

    assert (access.tls, access.mechanism, access.username) == (True, "PLAIN", "ada")
    assert access.password is not None
    assert access.password.reveal() == CANARY


def test_no_description_shows_the_password() -> None:
    access = Access(**SCRAM)

    assert CANARY not in repr(access)
    assert CANARY not in repr(connected(access))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "password"


def from_file(path: Path) -> Access:
    return Access(mechanism="SCRAM-SHA-256", username="ada", password_file=path)


@pytest.mark.parametrize("mode", [0o400, 0o600])
@pytest.mark.parametrize("end", ["", "\n"], ids=["no line end", "line end"])
def test_a_password_is_read_from_a_file_of_its_owner(
    path: Path, mode: int, end: str
) -> None:
    path.write_text(f"  pässword {end}")
    path.chmod(mode)

    password = password_of(from_file(path))

    assert password is not None
    assert password.reveal() == "  pässword "


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        CANARY.encode() + b"\n\n",
        CANARY.encode() + b"\r\n",
        CANARY.encode() + b"\0",
        CANARY.encode() + b"\xff",
        CANARY.encode() * 100,
    ],
    ids=["empty", "blank", "two lines", "carriage return", "NUL", "no UTF-8", "long"],
)
def test_a_file_with_anything_but_a_password_is_refused_and_not_quoted(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(Unavailable, match="does not hold a password") as refusal:
        password_of(from_file(path))

    assert CANARY not in repr(refusal.value)
    assert refusal.value.__context__ is None


def test_the_longest_password_is_read_whole(path: Path) -> None:
    path.write_text("x" * 1024 + "\n")
    path.chmod(0o600)

    password = password_of(from_file(path))

    assert password is not None
    assert len(password.reveal()) == 1024


def test_a_password_that_others_can_read_is_refused(path: Path) -> None:
    path.write_text(CANARY)
    path.chmod(0o644)

    with pytest.raises(Unavailable, match="chmod 600"):
        password_of(from_file(path))


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("nowhere", "there is no password file"),
        ("link", "put the password file itself"),
    ],
)
def test_a_missing_password_file_is_reported_with_its_path(
    tmp_path: Path, place: str, sentence: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    with pytest.raises(Unavailable, match=sentence):
        password_of(from_file(tmp_path / place))


def test_a_named_pipe_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path, 0o600)

    with pytest.raises(Unavailable, match="is not a file"):
        password_of(from_file(path))


def test_authorities_from_a_file_are_trusted_beside_the_systems(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)

    alone, beside = tls_context(None), tls_context(file)

    count = {"x509_ca": alone.cert_store_stats()["x509_ca"] + 1}
    assert beside.cert_store_stats().items() >= count.items()


@pytest.mark.parametrize("content", [None, "", "nonsense"])
def test_a_file_without_certificates_is_refused(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(Unavailable, match="KEYRELAY_KAFKA_CA_FILE must name"):
        connected(Access(tls=True, ca_file=file))
