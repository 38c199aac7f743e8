"""The checkpoint: signed, whole at any moment, and never taken back."""

import fcntl
import hmac
import json
import os
from pathlib import Path

import pytest

from keyrelay.stores.audit.chain import ChainHead
from keyrelay.stores.audit.checkpoint import (
    Checkpoint,
    CheckpointFile,
    CheckpointForged,
)
from keyrelay.vault.framing import frame


def mac(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def head(chain: str, seq: int) -> ChainHead:
    return ChainHead(chain=chain, seq=seq, mac=f"{chain}{seq}".encode())


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "audit.checkpoint")


def heads_in(file: CheckpointFile) -> tuple[ChainHead, ...]:
    noted = file.read(mac)
    assert noted is not None
    return noted.heads


def test_what_was_noted_is_read_back(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)

    assert heads_in(file) == (head("a", 3),)


def test_without_a_file_nothing_is_known(file: CheckpointFile) -> None:
    assert file.read(mac) is None


def test_several_chains_stand_beside_each_other(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)
    file.advance(mac, head("b", 1), head("a", 2))

    assert heads_in(file) == (head("a", 3), head("b", 1))


def test_a_chain_that_ended_where_another_began_is_forgotten(
    file: CheckpointFile,
) -> None:
    file.advance(mac, head("a", 3), None)
    file.advance(mac, head("b", 1), head("a", 3))

    assert heads_in(file) == (head("b", 1),)


def test_no_chain_is_taken_back(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)
    file.advance(mac, head("a", 2), None)

    assert heads_in(file) == (head("a", 3),)


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "{}",
        "[]",
        '{"heads": [], "mac": "00"}',
        '{"heads": [{"chain": "a"}], "mac": "00"}',
        '{"heads": [], "mac": "not hex"}',
        '{"heads": 5, "mac": "00"}',
        '{"heads": [], "generations": {"p": "7"}, "mac": "00"}',
        "\xff",
    ],
)
def test_what_we_did_not_sign_is_refused_and_left_alone(
    file: CheckpointFile, forged: str
) -> None:
    file.path.write_text(forged, "latin-1")

    with pytest.raises(CheckpointForged, match="keep it as evidence"):
        file.read(mac)
    with pytest.raises(CheckpointForged):
        file.advance(mac, head("a", 1), None)

    assert file.path.read_text("latin-1") == forged


def test_a_head_that_was_changed_is_refused(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)
    file.path.write_text(file.path.read_text().replace('"seq": 3', '"seq": 2'))

    with pytest.raises(CheckpointForged):
        file.read(mac)


def test_a_draft_that_a_power_cut_left_is_no_checkpoint(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)
    file.path.with_suffix(".new").write_text('{"hea')

    file.advance(mac, head("a", 4), None)

    assert heads_in(file) == (head("a", 4),)


def test_generations_are_noted_and_never_taken_back(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 1), None, {"p": 3, "q": 1})
    file.advance(mac, head("a", 2), None, {"p": 2})
    file.advance(mac, head("a", 3), None)

    noted = file.read(mac)

    assert noted is not None
    assert noted.generations == {"p": 3, "q": 1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"p": 3', '"p": 2'),
        ('"p": 3', '"q": 3'),
        ('{"p": 3}', "{}"),
        ('"generations": {"p": 3}, ', ""),
    ],
)
def test_a_generation_that_was_changed_is_refused(
    file: CheckpointFile, before: str, after: str
) -> None:
    file.advance(mac, head("a", 1), None, {"p": 3})
    text = file.path.read_text()
    assert before in text
    file.path.write_text(text.replace(before, after))

    with pytest.raises(CheckpointForged):
        file.read(mac)


def test_a_file_of_before_there_were_generations_is_read(file: CheckpointFile) -> None:
    noted = head("a", 3)
    signed = frame("keyrelay/checkpoint/1", "a", "3", noted.mac.hex())
    heads = [{"chain": "a", "seq": 3, "mac": noted.mac.hex()}]
    file.path.write_text(json.dumps({"heads": heads, "mac": mac(signed).hex()}))

    assert heads_in(file) == (noted,)


def test_what_is_known_is_replaced_on_purpose(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None, {"p": 3})

    file.replace(mac, Checkpoint(heads=(head("b", 1),), generations={"p": 1}))

    assert heads_in(file) == (head("b", 1),)


def test_a_lock_that_is_held_for_long_is_said_and_given_up(
    file: CheckpointFile, caplog: pytest.LogCaptureFixture
) -> None:
    with file.path.with_suffix(".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(OSError, match="another process holds it"):
            file.advance(mac, head("a", 3), None)

    assert [record.message for record in caplog.records] == ["waiting"]
    file.advance(mac, head("a", 3), None)


def test_the_checkpoint_and_its_lock_are_their_owners_alone(
    file: CheckpointFile,
) -> None:
    before = os.umask(0)
    try:
        file.advance(mac, head("a", 3), None)
    finally:
        os.umask(before)

    modes = {path.stat().st_mode & 0o777 for path in file.path.parent.iterdir()}
    assert modes == {0o600}
