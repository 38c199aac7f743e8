import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.vault.framing import frame
from keyrelay.vault.key import DataKey, Key, new_key
from tests.unit.vault.exposure import everything_said
from tests.unit.vault.samples import CANARY, DATA_KEY

MATERIAL = (CANARY * 2)[:32].encode()
KEY = Key(MATERIAL)


@pytest.mark.parametrize("show", [str, repr, ascii, "{}".format, "%s".__mod__])
@pytest.mark.parametrize("holder", [KEY, DataKey(id="a" * 24, key=KEY)])
def test_a_key_is_never_shown(show: Callable[[object], str], holder: object) -> None:
    shown = show(holder)

    assert CANARY[:4] not in shown
    assert MATERIAL.hex() not in shown


@pytest.mark.parametrize(
    "use",
    [pickle.dumps, copy.copy, copy.deepcopy, hash, KEY.__eq__],
    ids=["pickle", "copy", "deep copy", "hash", "compare"],
)
def test_a_key_does_not_leave_the_process(use: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="a key "):
        use(KEY)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused_without_being_quoted(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes") as refusal:
        Key((CANARY * 3)[:size].encode())

    assert CANARY[:16] not in str(refusal.value)


def test_derived_keys_differ_by_label_and_by_salt() -> None:
    derived = {
        KEY.derive("one"),
        KEY.derive("two"),
        KEY.derive("one", salt=b"1"),
        KEY.derive("one", salt=b"2"),
        new_key().derive("one"),
        MATERIAL,
    }

    assert len(derived) == 6


def test_no_new_key_is_like_another() -> None:
    assert len({new_key().reveal() for _ in range(16)}) == 16


@pytest.mark.parametrize("id_", ["", "0" * 22, "0" * 26, "G" * 24, "A" * 24])
def test_a_data_key_that_an_envelope_could_not_name_is_refused(id_: str) -> None:
    with pytest.raises(ValueError, match="24 hexadecimal digits") as refusal:
        DataKey(id=id_, key=KEY)

    assert CANARY not in everything_said(refusal.value)


@given(one=st.lists(st.text(max_size=3)), other=st.lists(st.text(max_size=3)))
def test_lists_of_texts_are_framed_alike_only_if_alike(
    one: list[str], other: list[str]
) -> None:
    assert (frame(*one) == frame(*other)) == (one == other)


def test_a_boundary_between_texts_cannot_be_moved() -> None:
    assert frame("ab", "c") != frame("a", "bc")
    assert DATA_KEY.id not in frame("", "").decode()
