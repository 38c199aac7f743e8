"""Home: no other user can read, or hold a lock of, anything in the data directory."""

import os
import stat
from pathlib import Path

import pytest

from keyrelay.app.home import keep_private
from keyrelay.ports import Unavailable


def modes(home: Path) -> set[int]:
    return {stat.S_IMODE(path.lstat().st_mode) for path in (home, *home.iterdir())}


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o711])
def test_a_home_that_others_may_enter_is_closed_to_them(
    tmp_path: Path, mode: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("queue.db", "queue.db-wal", "audit.checkpoint", "audit.lock"):
        (home / name).touch()
        (home / name).chmod(0o664)
    home.chmod(mode)

    keep_private(home, home / "key")

    assert modes(home) == {0o700, 0o600}


def test_a_key_that_others_could_read_is_left_for_the_vault_to_refuse(
    tmp_path: Path,
) -> None:
    (tmp_path / "key").touch(mode=0o644)

    keep_private(tmp_path, tmp_path / "key")

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o644


def test_what_a_link_leads_to_and_a_key_that_is_read_only_stay_as_they_are(
    tmp_path: Path,
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir(mode=0o700)
    elsewhere.touch()
    elsewhere.chmod(0o644)
    (home / "link").symlink_to(elsewhere)
    (home / "older-key").touch(mode=0o400)

    keep_private(home, home / "key")

    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
    assert stat.S_IMODE((home / "older-key").stat().st_mode) == 0o400


def test_a_home_that_is_not_there_is_nobodys(tmp_path: Path) -> None:
    keep_private(tmp_path / "missing", tmp_path / "missing/key")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_home_is_refused_and_a_mounted_volume_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    with pytest.raises(Unavailable, match="belongs to another user"):
        keep_private(home, home / "key")

    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    keep_private(home, home / "key")
