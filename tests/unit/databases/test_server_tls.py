"""Server TLS: files that are read, and those that end in a sentence."""

import ssl
from pathlib import Path

import pytest
import trustme

from keyrelay.databases.server_tls import UnusableTls, verified_context


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ROOTCERT", "CERT", "KEY", "CRL"):
        monkeypatch.delenv(f"PGSSL{name}", raising=False)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


@pytest.mark.parametrize("where", ["option", "variable", "file"])
def test_the_authority_is_found_as_libpq_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, roots: Path, where: str
) -> None:
    options = {"sslrootcert": str(roots)} if where == "option" else {}
    if where == "variable":
        monkeypatch.setenv("PGSSLROOTCERT", str(roots))
    if where == "file":
        (tmp_path / ".postgresql").mkdir()
        (tmp_path / ".postgresql" / "root.crt").write_bytes(roots.read_bytes())

    context = verified_context(options)

    assert len(context.get_ca_certs()) == 1
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_we_identify_ourselves_where_a_certificate_is_named(
    tmp_path: Path, roots: Path
) -> None:
    issued = trustme.CA().issue_cert("relay")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "me.pem")

    verified_context({"sslrootcert": str(roots), "sslcert": str(tmp_path / "me.pem")})


def test_the_versions_may_be_narrowed(roots: Path) -> None:
    bounds = dict.fromkeys(
        ("ssl_min_protocol_version", "ssl_max_protocol_version"), "TLSv1.3"
    )

    context = verified_context({"sslrootcert": str(roots), **bounds})

    assert context.minimum_version is context.maximum_version is ssl.TLSVersion.TLSv1_3


def test_a_list_of_revoked_certificates_is_obeyed(roots: Path) -> None:
    context = verified_context({"sslrootcert": str(roots), "sslcrl": str(roots)})

    assert context.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "needs sslrootcert"),
        ({"sslrootcert": "/nowhere"}, "sslrootcert cannot be read"),
        ({"sslrootcert": "ROOTS", "sslcert": "/nowhere"}, "sslcert, sslkey or"),
        ({"sslrootcert": "ROOTS", "sslcrl": "/nowhere"}, "sslcrl cannot be read"),
        (
            {"sslrootcert": "ROOTS", "ssl_min_protocol_version": "TLSv1"},
            "take TLSv1.2 and 1.3",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    roots: Path, options: dict[str, str], sentence: str
) -> None:
    named = {name: text.replace("ROOTS", str(roots)) for name, text in options.items()}

    with pytest.raises(UnusableTls, match=sentence):
        verified_context(named)
