"""Certificate: who the sinks of a bench are, for those who trust its authority."""

from pathlib import Path

import trustme


def certify(folder: Path) -> tuple[Path, Path]:
    """Return the file of the authority, and that of the server's key and chain."""
    authority = trustme.CA()
    ca_file, server = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(ca_file)
    server.touch(mode=0o600)
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(server)
    return ca_file, server
