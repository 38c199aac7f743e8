"""The checkpoint: signed, whole at any moment, and never taken back."""

import hmac
from pathlib import Path

import pytest

from keyrelay.stores.audit.chain import ChainHead
from keyrelay.stores.audit.checkpoint import CheckpointFile, CheckpointForged


def mac(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def head(chain: str, seq: int) -> ChainHead:
    return ChainHead(chain=chain, seq=seq, mac=f"{chain}{seq}".encode())


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "audit.checkpoint")


def test_what_was_noted_is_read_back(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)

    assert file.read(mac) == (head("a", 3),)


def test_without_a_file_nothing_is_known(file: CheckpointFile) -> None:
    assert file.read(mac) is None


def test_several_chains_stand_beside_each_other(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)
    file.advance(mac, head("b", 1), head("a", 2))

    assert file.read(mac) == (head("a", 3), head("b", 1))


def test_a_chain_that_ended_where_another_began_is_forgotten(
    file: CheckpointFile,
) -> None:
    file.advance(mac, head("a", 3), None)
    file.advance(mac, head("b", 1), head("a", 3))

    assert file.read(mac) == (head("b", 1),)


def test_no_chain_is_taken_back(file: CheckpointFile) -> None:
    file.advance(mac, head("a", 3), None)
    file.advance(mac, head("a", 2), None)

    assert file.read(mac) == (head("a", 3),)


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

    assert file.read(mac) == (head("a", 4),)
