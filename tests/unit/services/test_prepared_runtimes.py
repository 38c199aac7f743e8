"""The directory of prepared runtimes: one is whole and in use, or it is not."""

from datetime import timedelta
from pathlib import Path

import pytest

from keyrelay.dispatchers.script.interpreter import Language, node, python
from keyrelay.services.runtimes.fitting import interpreter_with
from keyrelay.services.runtimes.prepared import (
    Contents,
    InstalledPackage,
    PreparedRuntime,
    PreparedRuntimes,
    read_made,
)
from tests.samples import NOON

NODE = Language.NODE
CONTENTS = Contents(
    interpreter="20.1.0",
    packages=(InstalledPackage(name="first", version="1.0.0", digest="sha512-x"),),
)


@pytest.fixture
def runtimes(tmp_path: Path) -> PreparedRuntimes:
    return PreparedRuntimes(tmp_path / "runtimes")


def make(
    runtimes: PreparedRuntimes, language: Language = NODE, second: int = 0
) -> PreparedRuntime:
    with runtimes.preparing() as folder:
        made = folder / "made"
        (made / "node_modules").mkdir(parents=True)
        now = NOON + timedelta(seconds=second)
        return runtimes.keep(language, made, CONTENTS, now)


def test_nothing_is_in_use_before_something_was_prepared(
    runtimes: PreparedRuntimes,
) -> None:
    assert runtimes.current(NODE) is None
    assert interpreter_with(NODE, None) == node()
    assert interpreter_with(Language.PYTHON, None) == python()


def test_what_was_prepared_is_what_is_told_of_it(runtimes: PreparedRuntimes) -> None:
    kept = make(runtimes)

    assert runtimes.current(NODE) == kept
    assert kept.contents == CONTENTS
    assert runtimes.current(Language.PYTHON) is None
    found = interpreter_with(NODE, kept)
    assert found is None or found.modules == kept.link / "node_modules"


def test_it_is_its_owners_alone(runtimes: PreparedRuntimes) -> None:
    make(runtimes)

    assert runtimes.folder.stat().st_mode & 0o077 == 0


def test_each_language_has_its_own(runtimes: PreparedRuntimes) -> None:
    ours = make(runtimes)
    for second in range(1, 4):
        make(runtimes, Language.PYTHON, second)

    assert runtimes.current(NODE) == ours


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "{", '{"packages": [{}]}', '{"packages": 1}']
)
def test_one_without_its_record_is_none(runtimes: PreparedRuntimes, text: str) -> None:
    kept = make(runtimes)
    kept.folder.with_name(f"{kept.folder.name}.json").write_text(text)

    assert runtimes.current(NODE) is None


def test_a_link_that_leads_elsewhere_is_none(runtimes: PreparedRuntimes) -> None:
    make(runtimes)
    link = runtimes.folder / "current-node"
    link.unlink()
    link.symlink_to("/usr")

    assert runtimes.current(NODE) is None


def test_what_an_end_at_any_step_has_left_is_swept_by_the_next(
    runtimes: PreparedRuntimes,
) -> None:
    before = make(runtimes)
    made = runtimes.folder / ".preparing-killed"
    (made / "made").mkdir(parents=True)
    (runtimes.folder / ".preparing-link").symlink_to("nothing")
    (runtimes.folder / "node-20290101T000000000000Z").mkdir()
    (runtimes.folder / "node-20290101T000000000000Z.json").touch()
    (runtimes.folder / "notes").touch()

    with runtimes.preparing():
        left = {path.name for path in runtimes.folder.iterdir()}

    name = before.folder.name
    wanted = {"lock", "current-node", name, f"{name}.json", "notes"}
    assert {each for each in left if not each.startswith(".preparing-")} == wanted
    assert ".preparing-killed" not in left
    assert runtimes.current(NODE) == before


def test_a_block_that_fails_leaves_nothing(runtimes: PreparedRuntimes) -> None:
    with pytest.raises(FileExistsError), runtimes.preparing() as folder:
        folder.mkdir()

    assert [path.name for path in runtimes.folder.iterdir()] == ["lock"]


def test_a_report_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key")
    (tmp_path / "report").symlink_to("key")

    with pytest.raises(OSError, match="symbolic links"):
        read_made(tmp_path / "report")
