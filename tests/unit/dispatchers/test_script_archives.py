"""Archives of scripts: what is unpacked, and what is refused."""

import gzip
import io
import json
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from keyrelay.dispatchers.script import launcher
from keyrelay.dispatchers.script.launcher import NotRunnable, checked, unpack

WORDS = some.text("abc.-_ é", min_size=1, max_size=8).filter(
    lambda word: word not in (".", "..")
)
PATHS = some.lists(WORDS, min_size=1, max_size=4).map("/".join)
FILES = some.dictionaries(PATHS, some.binary(max_size=99), max_size=6).filter(
    lambda files: (
        not any(other.startswith(f"{path}/") for path in files for other in files)
    )
)
NAMES = some.text("ab./\\\0", min_size=1).filter(lambda name: name[0] != "\0")
KINDS = pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz", "A.TGZ"])


def a_zip(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def a_tar(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o7777
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def packed(kind: str, files: Mapping[str, bytes]) -> bytes:
    return a_zip(files) if kind == "a.zip" else a_tar(files)


def of_type(kind: bytes) -> bytes:
    member = tarfile.TarInfo("main.py")
    member.type, member.linkname = kind, "/etc/passwd"
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        archive.addfile(member)
    return target.getvalue()


@KINDS
@settings(max_examples=40, deadline=None)
@given(files=FILES)
def test_every_file_is_where_it_was_and_has_no_mode_of_the_archive(
    kind: str, files: dict[str, bytes]
) -> None:
    files = {**files, "main.py": b"print()"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        entry = unpack(kind, packed(kind, files), folder, "python")

        there = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("main.py")}
    assert there == files
    assert entry == "main.py"
    assert not any(mode & 0o7111 for mode in modes)


@KINDS
@settings(max_examples=60, deadline=None)
@given(name=NAMES)
def test_nothing_is_written_outside_of_the_folder(kind: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer, "a", "b")
        folder.mkdir(parents=True)

        with suppress(NotRunnable, OSError):
            unpack(kind, packed(kind, {name: b"x", "main.py": b""}), folder, "python")

        written = [path for path in Path(outer).rglob("*") if path.is_file()]
        assert all(path.is_relative_to(folder) for path in written)


@given(name=some.text("ab./\\\0", max_size=20))
def test_a_path_that_is_allowed_stays_below(name: str) -> None:
    try:
        path = checked(name)
    except NotRunnable:
        return

    assert not path.startswith("/")
    assert not {"..", ".", ""} & set(path.split("/")) or path == ""
    assert "\\" not in path


@KINDS
@pytest.mark.parametrize("name", ["/main.py", "../main.py", "a/../../b", "a\\b", ".."])
def test_a_path_that_leads_out_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(NotRunnable, match="a path that is not allowed"):
        unpack(kind, packed(kind, {name: b""}), tmp_path, "python")


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
    ],
)
def test_a_link_or_a_device_is_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(NotRunnable, match="a link or a device"):
        unpack("a.tar.gz", of_type(kind), tmp_path, "python")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        link = zipfile.ZipInfo("main.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")

    with pytest.raises(NotRunnable, match="a link or a device"):
        unpack("a.zip", target.getvalue(), tmp_path, "python")


@KINDS
def test_a_name_that_stands_twice_is_refused(kind: str, tmp_path: Path) -> None:
    files = {"main.py": b"", "./main.py": b""}

    with pytest.raises(NotRunnable, match=r"'main.py' twice"):
        unpack(kind, packed(kind, files), tmp_path, "python")


@KINDS
def test_more_entries_than_allowed_are_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "MOST_ENTRIES", 20)
    files = {f"{number}.py": b"" for number in range(21)}

    with pytest.raises(NotRunnable, match="more than 20 entries"):
        unpack(kind, packed(kind, files), tmp_path, "python")


@KINDS
def test_a_bomb_is_refused_while_it_unpacks(kind: str, tmp_path: Path) -> None:
    half = bytes(launcher.MOST_BYTES // 2 + 1)

    with pytest.raises(NotRunnable, match="more than 52428800 bytes"):
        unpack(kind, packed(kind, {"a": half, "b": half}), tmp_path, "python")

    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written <= launcher.MOST_BYTES


def test_a_bomb_of_headers_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("main.py")
    header.type, header.size = tarfile.XHDTYPE, 2 * launcher.MOST_BYTES
    content = gzip.compress(header.tobuf() + bytes(header.size), compresslevel=1)

    with pytest.raises(NotRunnable, match="more than"):
        unpack("a.tar.gz", content, tmp_path, "python")


@KINDS
@settings(max_examples=60, deadline=None)
@given(data=some.data())
def test_an_archive_that_is_damaged_is_refused_in_a_sentence(
    kind: str, data: some.DataObject
) -> None:
    content = bytearray(packed(kind, {"main.py": b"print()" * 99, "b/c": b"x"}))
    place = data.draw(some.integers(0, len(content) - 1))
    content[place] ^= data.draw(some.integers(1, 255))
    cut = bytes(content[: data.draw(some.integers(0, len(content)))])

    for each in (bytes(content), cut):
        # Anything else would be a traceback in the console.
        with tempfile.TemporaryDirectory() as name, suppress(NotRunnable, OSError):
            unpack(kind, each, Path(name), "python")


@pytest.mark.parametrize(
    ("language", "files", "entry"),
    [
        ("python", {"main.py": "", "index.js": ""}, "main.py"),
        ("node", {"main.py": "", "index.js": ""}, "index.js"),
        ("node", {"package.json": {"main": "lib/a.js"}, "lib/a.js": ""}, "lib/a.js"),
        ("node", {"package.json": {"main": "./lib/a"}, "lib/a.js": ""}, "lib/a.js"),
        ("node", {"package.json": {"main": "lib"}, "lib/index.js": ""}, "lib/index.js"),
        ("node", {"package.json": {}, "index.js": ""}, "index.js"),
        ("node", {"package.json": {"main": 7}, "index.js": ""}, "index.js"),
        ("node", {"package.json": [], "index.js": ""}, "index.js"),
    ],
)
def test_the_entry_is_found(
    language: str, files: dict[str, object], entry: str, tmp_path: Path
) -> None:
    content = {
        name: (file if isinstance(file, str) else json.dumps(file)).encode()
        for name, file in files.items()
    }

    assert unpack("a.zip", a_zip(content), tmp_path, language) == entry


@pytest.mark.parametrize(
    ("language", "files", "sentence"),
    [
        ("python", {"other.py": b""}, "the archive has no main.py to start with"),
        ("node", {"main.py": b""}, "the archive has no index.js to start with"),
        ("node", {"package.json": b"{"}, "its package.json is no JSON"),
        ("node", {"package.json": b'{"main": "../x"}'}, "a path that is not allowed"),
        ("node", {"package.json": b'{"main": "x.js"}'}, "no x.js to start with"),
    ],
)
def test_an_archive_without_an_entry_is_refused(
    language: str, files: dict[str, bytes], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(NotRunnable, match=sentence):
        unpack("a.zip", a_zip(files), tmp_path, language)


def test_a_file_that_is_no_archive_is_the_script_itself(tmp_path: Path) -> None:
    assert unpack("my script.py", b"print()", tmp_path, "python") == "my script.py"
    assert (tmp_path / "my script.py").read_bytes() == b"print()"
