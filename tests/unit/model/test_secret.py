import copy
import dataclasses
import json
import pickle
from collections.abc import Callable

import pytest

from keyrelay.model.secret import OpenedSecret, SecretValue
from keyrelay.model.tags import Tag, Tagged
from tests.samples import (
    MAIL_SECRET,
    NOON,
    PROFILE,
    Operator,
    a_secret,
    sealed,
    secret_rules,
)
from tests.unit.vault.exposure import everything_said

CANARY = "canary-7f3a"
VALUE = SecretValue(CANARY)
OPENED = OpenedSecret(secret=a_secret(), value=VALUE)


def test_reveal_returns_the_value() -> None:
    assert VALUE.reveal() == CANARY


def test_a_value_prints_without_its_plaintext() -> None:
    assert f"{VALUE} {VALUE!r} {VALUE:>40}" == " ".join(["SecretValue(…)"] * 3)


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(ascii, id="ascii"),
        pytest.param(format, id="format"),
        pytest.param(lambda value: f"{value}", id="f-string"),
        pytest.param(lambda value: f"{value:>40}", id="f-string with a width"),
        pytest.param(lambda value: f"{value!s} {value!r}", id="f-string, converted"),
        pytest.param(lambda value: "%s %r" % (value, value), id="percent"),  # noqa: UP031
        pytest.param(lambda value: str([value]), id="in a list"),
        pytest.param(lambda value: str({"password": value}), id="in a dictionary"),
        pytest.param(lambda _: f"{OPENED} {OPENED!r}", id="in an opened secret"),
        pytest.param(lambda value: str(dir(value)), id="dir"),
    ],
)
def test_a_value_does_not_show_itself(show: Callable[[object], str]) -> None:
    assert CANARY not in show(VALUE)
    assert CANARY[:6] not in show(VALUE)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda v: v == v, id="compared"),  # noqa: PLR0124
        pytest.param(lambda v: v == CANARY, id="compared with its text"),
        pytest.param(lambda v: v != CANARY, id="told apart"),
        pytest.param(lambda v: v < "d", id="ordered"),
        pytest.param(hash, id="hashed"),
        pytest.param(lambda v: {v}, id="put in a set"),
        pytest.param(list, id="iterated"),
        pytest.param(len, id="measured"),
        pytest.param(lambda v: v[0], id="indexed"),
        pytest.param(lambda v: "c" in v, id="searched"),
        pytest.param(lambda v: v + "", id="appended to"),
        pytest.param(bytes, id="made bytes"),
        pytest.param(copy.copy, id="copied"),
        pytest.param(copy.deepcopy, id="deeply copied"),
        pytest.param(pickle.dumps, id="pickled"),
        pytest.param(lambda v: pickle.dumps(v, 0), id="pickled the old way"),
        pytest.param(json.dumps, id="made JSON"),
        pytest.param(vars, id="taken apart by vars"),
        pytest.param(lambda v: v.__getstate__(), id="asked for its state"),
        pytest.param(lambda v: v.__reduce_ex__(4), id="reduced the new way"),
        pytest.param(lambda v: v.__reduce__(), id="reduced"),
        pytest.param(lambda _: dataclasses.asdict(OPENED), id="made a dictionary"),
        pytest.param(lambda _: dataclasses.astuple(OPENED), id="made a tuple"),
        pytest.param(lambda _: pickle.dumps(OPENED), id="pickled as opened secret"),
        pytest.param(lambda _: copy.deepcopy(OPENED), id="copied as opened secret"),
        pytest.param(lambda _: json.dumps(OPENED), id="made JSON as opened secret"),
        pytest.param(lambda _: hash(OPENED), id="hashed as opened secret"),
    ],
)
def test_a_value_cannot_be(act: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as refusal:
        act(VALUE)

    assert CANARY not in everything_said(refusal.value)


def test_a_text_is_the_same_only_in_each_character() -> None:
    half = SecretValue("pass\ud800word")

    assert VALUE.is_same_text(CANARY)
    assert not VALUE.is_same_text(CANARY[:-1])
    assert not VALUE.is_same_text(f"{CANARY} ")
    assert not VALUE.is_same_text(CANARY.upper())
    assert half.is_same_text("pass\ud800word")


def test_a_secret_is_tagged_as_policies_name_it() -> None:
    secret = dataclasses.replace(a_secret(), tags=(Tag("site", "north"),))

    assert secret.tagged == Tagged(
        kind="secrets", profile=PROFILE, id=MAIL_SECRET, tags=(Tag("site", "north"),)
    )


def test_the_types_are_called_as_on_the_wire() -> None:
    assert set(secret_rules(Operator()).types) == {"text", "smtp", "aws-sqs"}


def test_a_sealed_secret_knows_when_it_was_made() -> None:
    assert sealed(a_secret()).created_at == NOON
