"""Setting up, and keys that are wrong: what is there is never changed by it."""

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.installed.home import Home
from tests.installed.together import together

NEW_SECRET = ("secret", "create", "--tag", "a=b", "--value-file", "-", "--key")


def contents(path: Path) -> Mapping[str, str]:
    """Return a digest of each file below a folder, but for locks, which are empty."""
    return {
        str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.suffix != ".lock"
    }


def replaced_by_another(key: Path) -> None:
    key.write_text(f"KEYRELAY-KEY-1-{secrets.token_urlsafe(32)}\n")


def moved_behind_a_link(key: Path) -> None:
    key.rename(key.with_name("elsewhere"))
    key.symlink_to("elsewhere")


FAULTS: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "another": (replaced_by_another, "wrong key"),
    "missing": (Path.unlink, "there is no key file at"),
    "readable to all": (partial(os.chmod, mode=0o644), "must be its owner's alone"),
    "a link": (moved_behind_a_link, "is a symbolic link"),
}


@pytest.fixture(scope="module")
def furnished(original: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = original.copied(tmp_path_factory.mktemp("furnished") / "home")
    home.run(*NEW_SECRET, "token", given="a value")
    return home


def test_init_again_changes_nothing(furnished: Home, tmp_path: Path) -> None:
    home = furnished.copied(tmp_path / "home")
    before = contents(home.path)

    again = home.run("init")

    assert "is set up already" in again
    assert contents(home.path) == before


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_without_the_right_key_nothing_is_done_and_nothing_changed(
    furnished: Home, tmp_path: Path, fault: Callable[[Path], None], reason: str
) -> None:
    home = furnished.copied(tmp_path / "home")
    fault(home.path / "key")
    before = contents(home.path)

    refused = together(
        [
            partial(home.attempt, "worker", "--drain"),
            partial(home.attempt, "init"),
            partial(home.attempt, *NEW_SECRET, "another", given="a value"),
        ]
    )

    for ended in refused:
        assert ended.code == 3, ended.said
        assert ended.out == ""
        assert ended.err.startswith("keyrelay: the vault is sealed (")
        assert ended.err.count("\n") == 1
        assert reason in ended.err
    assert contents(home.path) == before


def test_with_the_right_key_back_all_is_as_before(
    furnished: Home, tmp_path: Path
) -> None:
    home = furnished.copied(tmp_path / "home")
    key = home.path / "key"
    safe = key.rename(tmp_path / "safe")

    sealed = home.attempt("key", "status", "--check")
    safe.rename(key)
    opened = home.attempt("key", "status", "--check")

    assert sealed.code == 3
    assert opened.code == 0
    assert "1 of 1 secrets open" in opened.out
