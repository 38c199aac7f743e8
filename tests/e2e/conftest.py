"""Fixtures: homes that were set up by the installed command."""

from pathlib import Path

import pytest

from tests.installed.home import Home


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, ca_file: Path) -> Home:
    """What is copied: `keyrelay init` takes its time."""
    home = Home(
        path=tmp_path_factory.mktemp("original") / "home",
        settings={
            "KEYRELAY_SMTP_CA_FILE": str(ca_file),
            "KEYRELAY_EGRESS_ALLOW": "127.0.0.0/8",
        },
    )
    home.run("init", "--no-token")
    return home


@pytest.fixture
def home(tmp_path: Path, original: Home) -> Home:
    """A new one with nothing in it, which may send mail to this machine."""
    return original.copied(tmp_path / "home")
