"""PostgreSQL over TLS: a server that its certificate does not name hears nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from keyrelay.databases.postgresql import connect
from keyrelay.ports import Unavailable
from tests.contract.certificates import named_by_common_name

_SSL_REQUEST = 8  # bytes: https://www.postgresql.org/docs/current/protocol-flow.html


@dataclass
class Server:
    """Takes TLS, hears the first message after it, and hangs up."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def serving(chain: Path) -> AsyncIterator[Server]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(_SSL_REQUEST)
        writer.write(b"S")
        try:
            await writer.start_tls(tls)
            server.heard.append(await reader.read(4096))
        except OSError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


async def refused(server: Server, authority: Path) -> None:
    url = f"postgresql://ada@localhost:{server.port}/k?sslmode=verify-full"
    database = connect(f"{url}&sslrootcert={authority}", timedelta(seconds=5))
    try:
        with pytest.raises(Unavailable):
            async with database.transaction():
                pass
    finally:
        await database.close()


async def test_a_server_that_its_certificate_names_is_spoken_to(
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("localhost").private_key_and_cert_chain_pem
    issued.write_to_path(tmp_path / "chain.pem")

    async with serving(tmp_path / "chain.pem") as server:
        await refused(server, tmp_path / "ca.pem")

    assert any(b"ada" in heard for heard in server.heard)


async def test_a_server_that_only_the_common_name_names_hears_nothing(
    tmp_path: Path,
) -> None:
    authority, chain = named_by_common_name("localhost")
    (tmp_path / "ca.pem").write_text(authority)
    (tmp_path / "chain.pem").write_bytes(chain)

    async with serving(tmp_path / "chain.pem") as server:
        await refused(server, tmp_path / "ca.pem")

    assert b"".join(server.heard) == b""
