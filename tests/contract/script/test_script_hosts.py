"""Hosts: where a script reaches the API, and how that is verified outside of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from keyrelay.app.hosting import find_hosts
from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.dispatchers.script.forwarding import Dial
from keyrelay.dispatchers.script.interpreter import Language
from keyrelay.model.uploaded_script import Runtime

A_WALL = "#!/bin/sh\nexit 0\n"
NO_WALL = "#!/bin/sh\necho 'bwrap: No permissions to create a namespace' >&2\nexit 1\n"


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in PATH; its bwrap and its node do nothing, and do it well."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("bwrap", "node"):
        a_tool(folder / name, A_WALL)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def a_tool(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def settings_of(tmp_path: Path, **given: object) -> Settings:
    document = {"home": tmp_path / "home", **given}
    return Settings.model_validate(document)


async def dial_of(settings: Settings) -> Dial:
    hosts = await find_hosts(settings)
    return hosts.hosts[Language.PYTHON].dial


@pytest.mark.parametrize(
    ("public", "network", "told"),
    [
        ("http://127.0.0.1:8080", "api", "http://localhost:8090"),
        ("https://keyrelay.example.com", "api", "http://localhost:8090"),
        (
            "https://example.com/tools/keyrelay",
            "api",
            "http://localhost:8090/tools/keyrelay",
        ),
        (
            "https://example.com/tools/keyrelay",
            "host",
            "https://example.com/tools/keyrelay",
        ),
    ],
)
@pytest.mark.usefixtures("tools")
async def test_a_script_is_told_the_api_s_path_behind_its_own_loopback(
    tmp_path: Path, public: str, network: str, told: str
) -> None:
    settings = settings_of(tmp_path, api_url=public, script_network=network)

    assert (await find_hosts(settings)).api == told


@pytest.mark.usefixtures("tools")
async def test_an_api_whose_certificate_is_trusted_is_reached_over_tls(
    tmp_path: Path, ca_file: Path, server_certificate: Path
) -> None:
    async with answering(server_certificate) as port:
        settings = settings_of(
            tmp_path, api_url=f"https://localhost:{port}", api_ca_file=ca_file
        )
        reader, writer = await (await dial_of(settings))()
        said = await reader.readline()
        tls = writer.get_extra_info("ssl_object")
        writer.close()

    assert said == b"well\n"
    assert tls.version() in {"TLSv1.2", "TLSv1.3"}


@pytest.mark.parametrize("flaw", ["an unknown authority", "another name"])
@pytest.mark.usefixtures("tools")
async def test_an_api_whose_certificate_is_not_to_be_trusted_is_not_reached(
    tmp_path: Path, ca_file: Path, authority: trustme.CA, flaw: str
) -> None:
    theirs = trustme.CA() if flaw == "an unknown authority" else authority
    name = "localhost" if flaw == "an unknown authority" else "elsewhere.example.com"
    pem = tmp_path / "server.pem"
    theirs.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(pem)

    async with answering(pem) as port:
        settings = settings_of(
            tmp_path, api_url=f"https://localhost:{port}", api_ca_file=ca_file
        )
        dial = await dial_of(settings)
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial()


@pytest.mark.usefixtures("tools")
async def test_an_api_that_speaks_no_tls_is_not_spoken_to_in_clear(
    tmp_path: Path, ca_file: Path
) -> None:
    async with answering(None) as port:
        settings = settings_of(
            tmp_path, api_url=f"https://localhost:{port}", api_ca_file=ca_file
        )
        dial = await dial_of(settings)
        with pytest.raises(OSError):  # noqa: PT011 - whatever the handshake fails with
            await dial()


@pytest.mark.usefixtures("tools")
async def test_certificates_that_cannot_be_read_are_said_before_the_start(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    settings = settings_of(tmp_path, api_url="https://localhost:9", api_ca_file=file)

    with pytest.raises(InvalidSettings, match="setting api_ca_file"):
        await find_hosts(settings)


async def test_without_a_wall_each_language_says_which_package_is_missing(
    tmp_path: Path, tools: Path
) -> None:
    (tools / "bwrap").unlink()

    hosts = await find_hosts(settings_of(tmp_path))

    assert hosts.hosts == {}
    for runtime in (Runtime.PYTHON, Runtime.PYTHON_LEGACY, Runtime.NODE):
        assert "apt-get install bubblewrap" in str(hosts.refusal(runtime))


async def test_a_wall_that_does_not_hold_says_why(tmp_path: Path, tools: Path) -> None:
    a_tool(tools / "bwrap", NO_WALL)

    hosts = await find_hosts(settings_of(tmp_path))

    assert hosts.hosts == {}
    assert "No permissions to create a namespace" in str(hosts.refusal(Runtime.PYTHON))


async def test_without_node_only_scripts_for_node_are_refused(
    tmp_path: Path, tools: Path
) -> None:
    (tools / "node").unlink()

    hosts = await find_hosts(settings_of(tmp_path))

    assert hosts.refusal(Runtime.PYTHON) is None
    assert hosts.refusal(Runtime.NODE) == "there is no `node` in PATH: install it"


@pytest.mark.parametrize("runtime", [Runtime.DENO, Runtime.OTHER])
@pytest.mark.usefixtures("tools")
async def test_other_languages_are_kept_and_not_run(
    tmp_path: Path, runtime: Runtime
) -> None:
    hosts = await find_hosts(settings_of(tmp_path))

    assert hosts.refusal(runtime) == f"scripts for {runtime} are kept, and not run"


@asynccontextmanager
async def answering(certificate: Path | None) -> AsyncIterator[int]:
    """A server on loopback that greets whom it has a connection with."""
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"well\n")
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(greet, "localhost", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
