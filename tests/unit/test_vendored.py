"""What the console loads of others: as it was fetched, with licences, and not much."""

import gzip
import re

from keyrelay.console.files import console_files
from tests.vendored import (
    ICON_NAMES,
    MOST_COMPRESSED,
    PACKAGES,
    ROOT,
    SPRITE,
    VENDOR,
    hashes,
    written_hashes,
)


def test_vendored_files_are_those_that_were_fetched() -> None:
    assert hashes() == written_hashes(), "write them anew with `make vendored`"


def test_each_vendored_package_has_its_licence() -> None:
    assert all((VENDOR / package.name / "LICENSE").exists() for package in PACKAGES)


def test_a_wheel_has_the_licences_of_what_is_vendored() -> None:
    settings = (ROOT / "pyproject.toml").read_text()

    assert "src/keyrelay/console/static/vendor/*/LICENSE" in settings


def test_the_sprite_has_the_icons_that_are_listed_and_in_their_order() -> None:
    drawn = re.findall(r'<symbol id="([^"]+)"', SPRITE.read_text())

    assert drawn == [*ICON_NAMES] == sorted(ICON_NAMES), (
        "list the icon in tests/vendored.py, and run `make vendored`"
    )


def test_scripts_and_styles_of_all_pages_are_small_when_compressed() -> None:
    sizes = {
        name: len(gzip.compress(file.content))
        for name, file in console_files().by_name.items()
        if name.endswith((".js", ".css"))
    }

    assert len(sizes) >= 7
    assert sum(sizes.values()) <= MOST_COMPRESSED, sizes
