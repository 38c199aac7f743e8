"""Screenshots of all pages: `python -m tests.faces.screenshots FOLDER`."""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

import trustme

from tests.e2e.console.browser import THEMES, WIDTHS, Look, browsing, window
from tests.e2e.console.site import Site, founded, serving
from tests.faces.pages import Furnished, furnished, paths
from tests.services import chromium
from tests.services.service import find


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        ca_file = Path(place) / "ca.pem"
        trustme.CA().cert_pem.write_to_path(ca_file)
        with serving(founded(Path(place) / "home", ca_file)) as site:
            asyncio.run(_take(furnished(site), site, folder))


async def _take(everything: Furnished, site: Site, folder: Path) -> None:
    cookie = site.signed_in().cookie
    async with browsing(find(chromium)) as browser:
        for theme in THEMES:
            for width in WIDTHS:
                look = Look(theme=theme, width=width)
                async with window(browser, site, look, cookie) as opened:
                    for path in paths():
                        await opened.show(everything.address(path))
                        name = f"{_name(path)}-{theme}-{width}.png"
                        await opened.page.screenshot(path=folder / name, full_page=True)
                print(f"{theme}, {width} px wide: {len(paths())} pages in {folder}")


def _name(path: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", path)) or "overview"


if __name__ == "__main__":
    main()
