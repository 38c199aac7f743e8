import email
import email.policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.dispatchers.smtp.mailbox import (
    MOST_RECIPIENTS,
    Mailbox,
    parse_mailbox,
    parse_mailboxes,
)
from keyrelay.dispatchers.smtp.texts import is_header_text
from keyrelay.model.documents import InvalidDefinition

INJECTIONS = {
    "two addresses that two parsers choose from": "a@good.com <evil@x>",
    "an address that closes and opens": "a@b>,<c@d",
    "a second address in brackets": "<a@b><c@d>",
    "an address in brackets in a name": "x <a@b> <c@d>",
    "a route": "<@relay:a@b>",
    "a percent route is one address, a second @ is not": "a%c@b@d",
    "a group": "friends: a@b.example;",
    "a comment": "a@b.example (comment)",
    "a comment in the local part": "a(c)@b.example",
    "a quoted local part": '"a b"@b.example',
    "a quoted local part with a header": '"a\r\nBcc: c@d"@b.example',
    "an address literal": "a@[127.0.0.1]",
    "a new line and a header": "a@b.example\r\nBcc: c@d.example",
    "a new line and a header in a name": "Ada\nBcc: c@d.example <a@b.example>",
    "a new line at the end": "a@b.example\n",
    "a new line at the beginning": "\na@b.example",
    "a new line before the address": "Ada\n<a@b.example>",
    "a line feed in the address": "a@b\n.example",
    "a carriage return in a name": "Ada\r <a@b.example>",
    "a new line in a quoted name": '"Ada\nX: y" <a@b.example>',
    "a null": "a\0@b.example",
    "a C1 next line in a name": "Ada\x85X <a@b.example>",
    "a line separator in a name": "Ada\u2028X <a@b.example>",
    "a paragraph separator in a name": "Ada\u2029X <a@b.example>",
    "a lone surrogate in a name": "Ada\ud800 <a@b.example>",
    "an encoded-word in a name": "=?utf-8?q?Ada=0ABcc:_c@d?= <a@b.example>",
    "an encoded-word in a quoted name": '"=?utf-8?q?=0ABcc?=" <a@b.example>',
    "an encoded-word for a local part": "=?utf-8?q?a=0AX=3Ay?=@b.example",
    "an encoded-word in a local part": "a.=?utf-8?q?a=0AX=3Ay?=@b.example",
    "an SMTP parameter": "a@b.example> SIZE=1",
    "a space in the local part": "a b@b.example",
    "a space in the domain": "a@b example",
    "a tabulator": "a@b.example\t",
    "a quotation mark too many": '"Ada" x" <a@b.example>',
    "a backslash in a quoted name": '"Ada\\" <a@b.example>',
    "no domain": "a@",
    "no local part": "@b.example",
    "no at": "ada",
    "only a name": "Ada <>",
    "nothing": "",
    "dots in a row": "a..b@b.example",
    "a dot at the beginning": ".a@b.example",
    "a dot at the end": "a.@b.example",
    "an empty label": "a@b..example",
    "a dot after the domain": "a@b.example.",
    "a hyphen that begins a label": "a@-b.example",
    "a hyphen that ends a label": "a@b-.example",
    "a full-width at": "a\uff20b.example",
    "full-width digits": "a@b\uff11.example",
    "a local part of 65": f"{'a' * 65}@b.example",
    "a label of 64": f"a@{'b' * 64}.example",
    "a domain of 254": f"a@{'b.' * 126}bb",
}

GOOD = {
    "ada@example.com": Mailbox("ada@example.com"),
    "  ada@example.com ": Mailbox("ada@example.com"),
    "<ada@example.com>": Mailbox("ada@example.com"),
    "Ada <ada@example.com>": Mailbox("ada@example.com", "Ada"),
    "Ada<ada@example.com>": Mailbox("ada@example.com", "Ada"),
    "Ada Lovelace  <ada@example.com>": Mailbox("ada@example.com", "Ada Lovelace"),
    '"Lovelace, Ada" <ada@example.com>': Mailbox("ada@example.com", "Lovelace, Ada"),
    '"a@good.com" <b@x>': Mailbox("b@x", "a@good.com"),
    "Adé 漢 <ada@example.com>": Mailbox("ada@example.com", "Adé 漢"),
    "a+b.c_d-e@sub.example.co": Mailbox("a+b.c_d-e@sub.example.co"),
    "!#$%&'*+/?=^_`{|}~-@b": Mailbox("!#$%&'*+/?=^_`{|}~-@b"),
    f"{'a' * 64}@{'b' * 63}.example": Mailbox(f"{'a' * 64}@{'b' * 63}.example"),
    f"a@{'b.' * 126}b": Mailbox(f"a@{'b.' * 126}b"),
    "a@127.0.0.1": Mailbox("a@127.0.0.1"),
}

names = st.text(st.characters(exclude_characters='"\\'), max_size=30).filter(
    lambda text: is_header_text(text) and "=?" not in text
)
atoms = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", fullmatch=True)
labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?", fullmatch=True)
addresses = st.builds(
    lambda local, domain: f"{'.'.join(local)}@{'.'.join(domain)}",
    st.lists(atoms, min_size=1, max_size=3),
    st.lists(labels, min_size=1, max_size=4),
).filter(lambda text: "=?" not in text)


def headers_of(mail: EmailMessage) -> list[str]:
    """Return the headers' names as a receiver reads them from the wire."""
    head, _, _ = mail.as_bytes(policy=email.policy.SMTP).partition(b"\r\n\r\n")
    return email.message_from_bytes(head, policy=email.policy.compat32).keys()


@pytest.mark.parametrize(("text", "mailbox"), GOOD.items(), ids=GOOD)
def test_an_address_alone_or_with_a_name_is_read(text: str, mailbox: Mailbox) -> None:
    assert parse_mailbox(text, "to") == mailbox


@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS)
def test_what_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"^from must hold addresses like"):
        parse_mailbox(text, "from")


BAD_IN_A_LIST = {
    what: text
    for what, text in INJECTIONS.items()
    if what not in ("a new line at the end", "a new line at the beginning")
}


@pytest.mark.parametrize("text", BAD_IN_A_LIST.values(), ids=BAD_IN_A_LIST)
def test_one_bad_address_refuses_the_whole_list(text: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"^to must hold"):
        parse_mailboxes(f"first@example.com; {text or 'x'}", "to")


@given(address=addresses, name=names)
def test_every_name_and_address_is_read_back(address: str, name: str) -> None:
    assert parse_mailbox(f'"{name}" <{address}>', "to") == Mailbox(address, name)


@given(text=st.text(st.sampled_from('ab@.,;<>"() \\\r\n\0:=?-\u2028'), max_size=25))
def test_whatever_is_read_makes_exactly_one_header(text: str) -> None:
    try:
        mailbox = parse_mailbox(text, "to")
    except InvalidDefinition:
        return
    mail = EmailMessage()

    mail["To"] = Address(mailbox.name, addr_spec=mailbox.address)

    assert headers_of(mail) == ["To"]
    assert [address.addr_spec for address in mail["To"].addresses] == [mailbox.address]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@x.example", ["a"]),
        ("a@x.example,b@x.example;c@x.example", ["a", "b", "c"]),
        (" a@x.example ; b@x.example ", ["a", "b"]),
        (";a@x.example,,b@x.example;", ["a", "b"]),
        ("a@x.example;b@x.example;a@x.example", ["a", "b"]),
        ('"A; B, C" <a@x.example>, b@x.example', ["a", "b"]),
        ("a@x.example\nb@x.example\r\n", ["a", "b"]),
        ("A <a@x.example>,\n B <b@x.example>,", ["a", "b"]),
        ("a@x.example, a@X.EXAMPLE", ["a@X.EXAMPLE"]),
    ],
)
def test_a_list_is_separated_by_semicolons_and_commas(
    text: str, expected: list[str]
) -> None:
    found = [mailbox.address for mailbox in parse_mailboxes(text, "to")]

    assert found == [name if "@" in name else f"{name}@x.example" for name in expected]


@given(st.lists(st.tuples(addresses, names), min_size=1, max_size=8))
def test_a_list_is_read_back_with_each_address_once(
    written: list[tuple[str, str]],
) -> None:
    text = "; ".join(f'"{name}" <{address}>' for address, name in written)

    assert parse_mailboxes(text, "to") == tuple(
        Mailbox(address, name) for address, name in dict(written).items()
    )


@pytest.mark.parametrize(
    "value", ["", " ", ";", " , ;", '"', 'a@x.example, "', "\r\n", 'a@x.example, "x']
)
def test_a_list_without_an_address_is_refused(value: str) -> None:
    with pytest.raises(InvalidDefinition, match=r"^cc must h"):
        parse_mailboxes(value, "cc")


@pytest.mark.parametrize("value", [None, 1, ["a@x.example"], {"to": "a@x.example"}])
def test_a_list_is_one_text(value: object) -> None:
    with pytest.raises(InvalidDefinition, match="to must be a string"):
        parse_mailboxes(value, "to")


def test_a_list_has_at_most_a_hundred_addresses() -> None:
    most = [f"a{number}@x.example" for number in range(MOST_RECIPIENTS)]

    assert len(parse_mailboxes(",".join(most), "to")) == MOST_RECIPIENTS
    with pytest.raises(InvalidDefinition, match="at most 100 addresses"):
        parse_mailboxes(",".join([*most, "z@x.example"]), "to")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("INFO@BÜCHER.example", "INFO@xn--bcher-kva.example"),
        ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@my_host.example", "ada@my_host.example"),
        ("jörg@example.com", "jörg@example.com"),
        ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_addresses_beyond_ascii_are_read(text: str, address: str) -> None:
    assert parse_mailbox(text, "to").address == address


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("a@b.example; c@@b.example", "address 2 has more than one @"),
        ("Lovelace, Ada <a@b.example>", "address 1 has no @; a name with a comma"),
        ("a@b.example, ada at b.example", "address 2 has no @"),
        ("a..b@b.example", "address 1 is no address that is taken"),
        ("a@-b.example", "address 1 has no domain like example.com"),
        ("a@\u2488.example", "address 1 has a domain that IDNA 2008 does not allow"),
        ("a\tb@b.example", "address 1 holds a control character"),
    ],
)
def test_a_refused_list_tells_which_entry_and_why(listed: str, words: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_mailboxes(listed, "to")

    assert words in str(refused.value)


def test_quotation_marks_in_a_name_are_escaped_by_backslashes() -> None:
    name = r'"Ada \"Countess\" Lovelace, \\o/" <ada@example.com>'

    assert parse_mailboxes(name, "to") == (
        Mailbox("ada@example.com", r'Ada "Countess" Lovelace, \o/'),
    )
