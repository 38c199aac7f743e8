"""Headers survive every text: through Python's parser and through another one."""

import email
import email.policy
import re
import unicodedata
from email.header import decode_header, make_header

import pytest
from fast_mail_parser import parse_email
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.headers import mailbox_header, text_header
from keyrelay.dispatchers.smtp.mailbox import Mailbox
from keyrelay.dispatchers.smtp.texts import header_text, is_header_text

WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=")
MIXED = st.text(st.sampled_from('aé 漢🔥ß=?_"\\,()<>@ab  \u0301\u200d'), max_size=200)
SUBJECTS = (st.text(max_size=300) | MIXED).map(header_text)
NAMES = st.text(st.characters(exclude_characters='"\\'), max_size=60) | MIXED


def subject_of(line: bytes) -> str:
    """Return the subject as RFC 2047 has it, unfolded by RFC 5322 section 2.2.3."""
    unfolded = line.removesuffix(b"\r\n").replace(b"\r\n", b"").decode("ascii")
    return str(make_header(decode_header(unfolded.removeprefix("Subject: "))))


def is_legal(line: bytes) -> bool:
    text = line.decode("ascii")
    words = list(WORD.finditer(text))
    return (
        text.endswith("\r\n")
        and all(len(each) <= 78 for each in text.split("\r\n"))
        and all(len(word.group()) <= 75 for word in words)
        and all(text[word.start() - 1] in " (" for word in words)
        and all(text[word.end()] in " \r)" for word in words)
        and not re.search(r"\r\n(?! |$)|\r\n +\r\n", text)
    )


@given(SUBJECTS)
def test_a_subject_arrives_as_it_was_written(subject: str) -> None:
    line = text_header("Subject", subject)

    assert is_legal(line)
    assert subject_of(line) == subject


@given(SUBJECTS)
def test_another_parser_reads_the_same_subject(subject: str) -> None:
    line = text_header("Subject", subject)

    parsed = parse_email(b"From: a@b.example\r\n" + line + b"\r\nx\r\n")

    # It takes spaces off the ends of every header, which no mail program shows.
    assert parsed.subject.strip() == subject.strip()


@given(SUBJECTS)
def test_each_encoded_word_holds_whole_characters(subject: str) -> None:
    for word in WORD.findall(text_header("Subject", subject).decode()):
        ((octets, charset),) = decode_header(word)
        assert isinstance(octets, bytes)
        assert octets.decode(charset or "")


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        ("", b"Subject: \r\n"),
        ("cold room", b"Subject: cold room\r\n"),
        ("9.5 °C", b"Subject: =?utf-8?b?OS41IMKwQw==?=\r\n"),
        ("a  b", b"Subject: =?utf-8?q?a__b?=\r\n"),
        ("漢字", b"Subject: =?utf-8?b?5ryi5a2X?=\r\n"),
        ("=?x", b"Subject: =?utf-8?b?PT94?=\r\n"),
        ("x " * 40 + "y", b"Subject: " + b"x " * 33 + b"x\r\n" + b" x" * 6 + b" y\r\n"),
    ],
)
def test_a_subject_is_plain_where_it_can_be(subject: str, line: bytes) -> None:
    assert text_header("Subject", subject) == line


@given(st.lists(st.tuples(NAMES, st.integers(0, 9)), min_size=1, max_size=5))
def test_names_and_addresses_arrive_as_they_were_written(
    listed: list[tuple[str, int]],
) -> None:
    mailboxes = tuple(
        Mailbox(f"user{number}@example.com", header_text(name))
        for name, number in listed
    )

    line = mailbox_header("To", mailboxes)
    header = email.message_from_bytes(line, policy=email.policy.default)["To"]

    assert is_legal(line)
    assert [each.addr_spec for each in header.addresses] == [
        mailbox.address for mailbox in mailboxes
    ]


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("Ada", "Ada <a@b.example>"),
        ("Ada M. Lovelace", '"Ada M. Lovelace" <a@b.example>'),
        ("Lovelace, Ada", '"Lovelace, Ada" <a@b.example>'),
        ('Ada "Countess"', r'"Ada \"Countess\"" <a@b.example>'),
        ("Jürgen, Dr.", "=?utf-8?b?SsO8cmdlbiwgRHIu?= <a@b.example>"),
        ("a  b", '"a  b" <a@b.example>'),
    ],
)
def test_a_name_is_quoted_or_encoded_where_it_must_be(name: str, phrase: str) -> None:
    line = mailbox_header("To", (Mailbox("a@b.example", name),))

    assert line == f"To: {phrase}\r\n".encode()


@pytest.mark.parametrize(
    "text", ["", "plain", "=?utf-8?q?=0A?=", "Grüße 漢字 🎉", "no tab: \u00a0"]
)
def test_ordinary_text_may_stand_in_a_header(text: str) -> None:
    assert is_header_text(text)
    assert header_text(text) == text


@pytest.mark.parametrize(
    "code",
    [
        *(set(range(0x20)) - {9, 10, 13}),
        *range(0x7F, 0xA0),
        *(0x2028, 0x2029, 0xD800, 0xDFFF),
        *(0x61C, 0x200E, 0x202A, 0x202E, 0x2066, 0x2069),
    ],
)
def test_an_unsafe_character_is_replaced_visibly(code: int) -> None:
    assert not is_header_text(f"a{chr(code)}b")
    assert header_text(f"a{chr(code)}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("breaks", ["\r", "\n", "\t", "\r\n", "\r\n\t"])
def test_a_line_break_becomes_one_space(breaks: str) -> None:
    assert header_text(f"a{breaks}b") == "a b"


@given(st.text())
def test_no_unsafe_character_is_left(text: str) -> None:
    kinds = {unicodedata.category(each) for each in header_text(text)}

    assert is_header_text(header_text(text))
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}
