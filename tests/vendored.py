"""Vendored: what the console loads that others wrote, fetched from pinned packages.

`make vendored` writes it anew, with its licences, its hashes and the sprite of icons; a
test compares the tree with the hashes.
"""

import hashlib
import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "src" / "keyrelay" / "console" / "static"
VENDOR = STATIC / "vendor"
HASHES = VENDOR / "SHA256SUMS"
SPRITE = STATIC / "icons.svg"

# What a visitor's browser loads at most, of what others wrote and of our own.
MOST_COMPRESSED = 60 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of one version, and which of its files are copied."""

    name: str
    version: str
    files: Sequence[str]


ICONS = Package(name="lucide-static", version="1.62.0", files=("LICENSE",))

PACKAGES = (
    Package(
        name="htmx.org",
        version="4.0.1",
        files=("dist/htmx.min.js", "dist/ext/hx-sse.min.js", "LICENSE"),
    ),
    Package(
        name="uplot",
        version="1.6.32",
        files=("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    ICONS,
)

# The icons of the sprite, by their names in lucide.
ICON_NAMES = (
    "arrow-right",
    "circle",
    "circle-alert",
    "circle-check",
    "copy",
    "download",
    "external-link",
    "gauge",
    "key-round",
    "keyboard",
    "log-out",
    "mail-x",
    "monitor",
    "moon",
    "pause",
    "play",
    "plus",
    "radio",
    "scroll-text",
    "search",
    "send",
    "shield-check",
    "square-terminal",
    "sun",
    "ticket",
    "trash-2",
    "triangle-alert",
    "unplug",
    "waypoints",
    "x",
    "zap",
)

_ELEMENTS = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


def sprite(folder: Path) -> str:
    """Return the sprite, made of the icons of the package in this folder."""
    symbols = [_symbol(name, folder / "icons" / f"{name}.svg") for name in ICON_NAMES]
    return "\n".join(
        ['<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""]
    )


def hashes() -> Mapping[str, str]:
    """Return the hash of each file in the tree, by its name."""
    return {
        str(file.relative_to(STATIC)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted([SPRITE, *VENDOR.rglob("*")])
        if file.is_file() and file != HASHES
    }


def written_hashes() -> Mapping[str, str]:
    """Return the hashes as they stand in the tree, by the names of the files."""
    lines = HASHES.read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def _symbol(name: str, icon: Path) -> str:
    found = _ELEMENTS.search(icon.read_text())
    assert found is not None, f"{icon.name} is no icon"
    drawn = " ".join(found[1].split()).replace("> <", "><")
    return f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>'


def _fetched(package: Package, folder: Path) -> Path:
    """Fetch the package, unpack it, and return where it is."""
    subprocess.run(
        ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    unpacked = folder / package.name
    with tarfile.open(folder / f"{package.name}-{package.version}.tgz") as packed:
        packed.extractall(unpacked, filter="data")
    return unpacked / "package"


def _copied(package: Package, fetched: Path) -> Iterator[Path]:
    for name in package.files:
        copy = VENDOR / package.name / Path(name).name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((fetched / name).read_bytes())
        yield copy


def _write() -> None:
    kept = {HASHES}
    with TemporaryDirectory() as folder:
        for package in PACKAGES:
            fetched = _fetched(package, Path(folder))
            kept.update(_copied(package, fetched))
            if package is ICONS:
                SPRITE.write_text(sprite(fetched))
    for file in VENDOR.rglob("*"):
        if file.is_file() and file not in kept:
            file.unlink()
    lines = [f"{digest}  {name}\n" for name, digest in hashes().items()]
    HASHES.write_text("".join(lines))


if __name__ == "__main__":
    _write()
