import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from keyrelay.ports import Unavailable
from keyrelay.vault import private_file
from keyrelay.vault.flaw import Flaw
from keyrelay.vault.local_key import key_text
from keyrelay.vault.providers import environment, file
from tests.unit.vault.exposure import everything_said
from tests.unit.vault.samples import CANARY, local_key

TEXT = key_text(local_key(1).key)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "key"


def given_file(path: Path, content: str, mode: int = 0o600) -> None:
    path.write_bytes(content.encode())
    path.chmod(mode)


def test_a_created_key_is_the_one_loaded_later(path: Path) -> None:
    created = file.create(path)

    assert file.load(path).id == created.id


def test_two_created_keys_differ(tmp_path: Path) -> None:
    assert file.create(tmp_path / "one").id != file.create(tmp_path / "two").id


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o277])
def test_a_created_key_is_its_owners_alone_whatever_the_umask(
    path: Path, mask: int
) -> None:
    before = os.umask(mask)

    try:
        file.create(path)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o7777 == 0o600


def test_a_created_key_is_one_line_of_text(path: Path) -> None:
    key = file.create(path).key

    assert path.read_text() == key_text(key) + "\n"


def test_a_created_key_and_its_name_are_on_the_disk_before_it_is_used(
    path: Path,
) -> None:
    synced: list[int] = []

    def watch(frame: FrameType, event: str, called: object) -> None:
        if event == "c_call" and called is os.fsync:
            synced.append(os.fstat(frame.f_locals["descriptor"]).st_ino)

    sys.setprofile(watch)  # only watches; the calls are real
    try:
        file.create(path)
    finally:
        sys.setprofile(None)

    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]


def test_no_key_is_created_over_another(path: Path) -> None:
    given_file(path, TEXT)

    with pytest.raises(FileExistsError):
        file.create(path)

    assert path.read_text() == TEXT


def test_no_key_is_created_through_a_link(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(FileExistsError):
        file.create(path)

    assert not (tmp_path / "elsewhere").exists()


def test_a_key_that_could_not_be_written_leaves_no_file(path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))

    try:
        with pytest.raises(OSError, match="File too large"):
            file.create(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert not path.exists()


@pytest.mark.parametrize("mode", [0o400, 0o600])
@pytest.mark.parametrize("end", ["", "\n"], ids=["no line end", "line end"])
def test_a_key_file_only_its_owner_can_read_is_loaded(
    path: Path, mode: int, end: str
) -> None:
    given_file(path, TEXT + end, mode)

    assert file.load(path).id == local_key(1).id


@pytest.mark.parametrize(
    "mode", [0o000, 0o200, 0o640, 0o604, 0o620, 0o602, 0o644, 0o700, 0o4600, 0o1600]
)
def test_a_key_file_of_any_other_mode_is_refused(path: Path, mode: int) -> None:
    given_file(path, TEXT, mode)

    # Mode 0 is unreadable to a user, and refused for its mode to root.
    with pytest.raises(Unavailable, match=r"chmod 600|make it readable"):
        file.load(path)


def test_a_key_file_of_another_user_is_refused(path: Path) -> None:
    given_file(path, TEXT)
    status, us = path.stat(), os.geteuid()

    assert private_file._refusal(path, "key file", status, us) is None
    assert private_file._refusal(path, "key file", status, us + 1) == (
        f"{path} belongs to another user; run: chown {us + 1} {path}"
    )


def foreign_file(path: Path) -> Path:
    if os.geteuid() != 0:
        return Path("/etc/passwd")  # root's, as only root can give a file away
    given_file(path, TEXT)
    os.chown(path, 4242, -1)
    return path


def test_a_key_file_given_away_is_not_loaded(path: Path) -> None:
    with pytest.raises(Unavailable, match="belongs to another user"):
        file.load(foreign_file(path))


def a_link(path: Path) -> None:
    real = path.with_name("real")
    given_file(real, TEXT)
    path.symlink_to(real)


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        pytest.param(lambda _: None, "put your backup of it there", id="nothing"),
        pytest.param(a_link, "put the key file itself there", id="link"),
        pytest.param(Path.mkdir, "is not a file", id="folder"),
        pytest.param(os.mkfifo, "is not a file", id="named pipe"),
    ],
)
def test_what_is_no_file_is_refused_with_a_remedy(
    path: Path, make: Callable[[Path], None], remedy: str
) -> None:
    make(path)

    with pytest.raises(Unavailable, match=remedy) as refusal:
        file.load(path)

    assert str(refusal.value).startswith("the vault is sealed (key unavailable): ")


def test_a_path_through_a_file_is_refused_with_a_remedy(path: Path) -> None:
    given_file(path, TEXT)

    with pytest.raises(Unavailable, match=r"Not a directory.*make it readable"):
        file.load(path / "key")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param(CANARY, id="garbage"),
        pytest.param(f"{TEXT}{CANARY}", id="key and more"),
        pytest.param(f"{TEXT}\n{TEXT}", id="two keys"),
        pytest.param(CANARY * 1000, id="long"),
    ],
)
def test_a_file_with_anything_but_a_key_is_refused_unquoted(
    path: Path, content: str
) -> None:
    given_file(path, content)

    with pytest.raises(Unavailable, match="put your backup") as refusal:
        file.load(path)

    said = everything_said(refusal.value)
    assert CANARY not in said
    assert TEXT[15:] not in said


AROUND = [
    pytest.param("\ufeff", "", id="byte order mark"),
    pytest.param("\ufeff", "\r\n", id="as an editor on Windows saves it"),
    pytest.param("", "\r\n", id="carriage return"),
    pytest.param(" \t", "  \n\n", id="blanks"),
    pytest.param("\u00a0", "\u00a0", id="no-break spaces"),
]


@pytest.mark.parametrize(("before", "after"), AROUND)
def test_what_editors_put_around_a_right_key_is_forgiven(
    path: Path, before: str, after: str
) -> None:
    path.write_bytes(f"{before}{TEXT}{after}".encode())
    path.chmod(0o600)

    assert file.load(path).id == local_key(1).id
    assert environment.load(f"{before}{TEXT}{after}").id == local_key(1).id


@pytest.mark.parametrize("when", ["os.write", "os.fsync"])
def test_a_process_that_dies_while_it_makes_the_key_leaves_none(
    path: Path, when: str
) -> None:
    script = (
        "import os, sys, pathlib\n"
        "from keyrelay.vault.providers import file\n"
        f"{when} = lambda *_: os._exit(9)\n"
        "file.create(pathlib.Path(sys.argv[1]))"
    )
    died = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert died.returncode == 9

    assert not path.exists()
    assert file.create(path).id == file.load(path).id


def test_a_blank_file_that_a_cut_left_behind_is_replaced(path: Path) -> None:
    given_file(path, "")

    assert file.create(path).id == file.load(path).id


def test_the_environment_gives_the_key_of_the_same_text() -> None:
    assert environment.load(TEXT).id == local_key(1).id


@pytest.mark.parametrize(
    "text", ["", f"{TEXT}\n{TEXT}", f"{TEXT[:-1]}", "KEYRELAY-KEY-1-"]
)
def test_the_environment_without_a_key_says_what_to_do(text: str) -> None:
    with pytest.raises(Unavailable, match="set it to the line of the key file") as no:
        environment.load(text)

    assert Flaw.KEY_UNAVAILABLE in str(no.value)
    assert TEXT[15:-1] not in str(no.value)
    assert no.value.__context__ is None
