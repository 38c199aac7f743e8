"""Files: what pages load is little, and comes compressed to those who can read it."""

import gzip

import pytest

from keyrelay.console.files import console_files
from keyrelay.console.incoming import accepts_gzip

MOST = 60 * 1024  # bytes of all scripts and styles, compressed


def test_all_scripts_and_styles_together_are_small() -> None:
    files = console_files().by_name.items()
    loaded = [file for name, file in files if name.endswith((".js", ".css"))]

    assert loaded
    assert sum(len(file.compressed) for file in loaded) <= MOST


def test_a_compressed_file_is_the_file() -> None:
    for file in console_files().by_name.values():
        assert gzip.decompress(file.compressed) == file.content


@pytest.mark.parametrize(
    ("accepted", "may"),
    [
        ("gzip", True),
        ("br, GZIP", True),
        ("br;q=1.0, gzip; q=0.8", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.00, *", False),
        ("br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_a_file_is_compressed_where_that_is_accepted(
    accepted: str, *, may: bool
) -> None:
    assert accepts_gzip(accepted) is may
