"""Fixtures of the suites about mail; a module of its own, so that pytest loads it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.contract.smtp_peer import Sender


@pytest.fixture(scope="session")
def smtp_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def sender(smtp_authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Sender]:
    ca_file = tmp_path / "ca.pem"
    smtp_authority.cert_pem.write_to_path(ca_file)
    sender = Sender(authority=smtp_authority, ca_file=ca_file)
    yield sender
    for dispatcher in sender.made:
        await dispatcher.close()
