"""AUTH dialogues: what is sent, whatever a server answers (RFC 4954, RFC 4616)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.auth import (
    LONGEST_LINE,
    Dialogue,
    authenticate,
    judges_no_password,
)
from keyrelay.dispatchers.smtp.credentials import SmtpCredentials
from keyrelay.dispatchers.smtp.reply import SmtpReply
from keyrelay.model.secret import SecretValue

MORE, WELCOME = SmtpReply(334, ""), SmtpReply(235, "2.7.0 welcome")
WRONG, UNKNOWN = SmtpReply(535, "5.7.8 no"), SmtpReply(504, "5.5.4 what?")

CODES = st.sampled_from([235, 334, 354, 421, 454, 500, 501, 502, 503, 504, 534, 535])
TEXTS = st.sampled_from(["", "5.5.4 no", "5.7.8 no", "VXNlcm5hbWU6"])
REPLIES = st.lists(st.builds(SmtpReply, CODES, TEXTS), min_size=8, max_size=8)
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"])
MECHANISMS = st.sets(st.sampled_from(["plain", "login", "cram-md5"]))


def credentials(username: str = "us", password: str = "secret") -> SmtpCredentials:
    return SmtpCredentials(
        smtp_server="mail.example.com",
        smtp_port=587,
        username=username,
        password=SecretValue(password),
    )


def held(dialogue: Dialogue, replies: list[SmtpReply]) -> tuple[list[bytes], SmtpReply]:
    """Return the lines that were sent, and the reply that ended the dialogue."""
    sent, answers, last = [next(dialogue, b"")], iter(replies), UNKNOWN
    while True:
        try:
            sent.append(dialogue.send(last := next(answers)))
        except StopIteration as end:
            return [line for line in sent if line], end.value or last


@given(
    st.text(PRINTABLE, min_size=1, max_size=300),
    st.text(PRINTABLE, min_size=1, max_size=600),
    MECHANISMS,
    REPLIES,
)
def test_no_command_is_too_long_and_no_mechanism_is_tried_twice(
    username: str, password: str, mechanisms: set[str], replies: list[SmtpReply]
) -> None:
    dialogue = authenticate(mechanisms, credentials(username, password))

    sent, last = held(dialogue, replies)

    commands = [line for line in sent if line.startswith(b"AUTH ")]
    assert all(len(line) + 2 <= LONGEST_LINE for line in commands)
    assert len({line.split()[1] for line in commands}) == len(commands) <= 2
    assert {line.split()[1].decode().lower() for line in commands} <= mechanisms
    assert last in (*replies, SmtpReply(504, "neither PLAIN nor LOGIN is offered"))


@given(MECHANISMS, REPLIES)
def test_a_judged_password_is_not_sent_again(
    mechanisms: set[str], replies: list[SmtpReply]
) -> None:
    sent, last = held(authenticate(mechanisms, credentials()), replies)

    answered = replies[: len(sent)]
    judged = [each for each in answered if not judges_no_password(each)]
    ended = [each for each in judged if each.code != 334]
    assert len(ended) <= 1
    assert not ended or ended[0] is answered[-1] is last


@given(REPLIES)
def test_a_password_is_sent_by_login_only_where_it_is_asked_for(
    replies: list[SmtpReply],
) -> None:
    secret = base64.b64encode(b"secret")

    sent, _ = held(authenticate(["login"], credentials()), replies)

    if secret in sent:
        assert sent == [b"AUTH LOGIN", base64.b64encode(b"us"), secret]
        assert [each.code for each in replies[:2]] == [334, 334]


@pytest.mark.parametrize(
    ("mechanisms", "replies", "verbs"),
    [
        (["plain", "login"], [WELCOME], [b"AUTH PLAIN"]),
        (["plain", "login"], [WRONG], [b"AUTH PLAIN"]),
        (["plain", "login"], [UNKNOWN, UNKNOWN], [b"AUTH PLAIN", b"AUTH LOGIN"]),
        (["plain", "login"], [MORE, UNKNOWN, WRONG], [b"AUTH PLAIN", b"AUTH LOGIN"]),
        (["plain"], [UNKNOWN], [b"AUTH PLAIN"]),
        (["cram-md5"], [], []),
    ],
)
def test_login_follows_plain_only_where_no_password_was_judged(
    mechanisms: list[str], replies: list[SmtpReply], verbs: list[bytes]
) -> None:
    sent, _ = held(authenticate(mechanisms, credentials()), replies)

    commands = [line[:10] for line in sent if line.startswith(b"AUTH")]
    assert commands == verbs


@pytest.mark.parametrize(
    ("length", "lines"), [(368, 1), (369, 1), (370, 2), (371, 2), (2000, 2)]
)
def test_a_long_password_follows_its_command(length: int, lines: int) -> None:
    dialogue = authenticate(["plain"], credentials("u", "p" * length))

    sent, last = held(dialogue, [MORE, WELCOME] if lines == 2 else [WELCOME])

    assert len(sent) == lines
    assert base64.b64decode(sent[-1].split()[-1]) == b"\0u\0" + b"p" * length
    assert last is WELCOME
