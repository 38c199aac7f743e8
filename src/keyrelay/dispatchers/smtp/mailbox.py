"""Mailboxes: addresses and header texts, parsed strictly against header injection.

If two parsers read an address differently (`a@good.com <evil@x>`), the mail goes to
another recipient. A header text with a newline, or with an encoded-word (RFC 2047)
that holds one, becomes a header of its own. Both are refused, never repaired.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.dispatchers.smtp.domains import NoDomain, a_labels
from keyrelay.dispatchers.smtp.texts import is_header_text
from keyrelay.model.documents import InvalidDefinition, require_text

MOST_RECIPIENTS = 100

# RFC 5321 section 4.1.2, without quoted local parts and address literals, and RFC 6531
# section 3.3, which adds all characters beyond ASCII.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAMED = re.compile(rf'(?:({_QUOTED})|([^"<>@,;]*?)) *<([^<>]*)>')
# One entry of a list: separators inside quotation marks do not separate.
_ENTRY = re.compile(rf'(?:{_QUOTED}|[^",;\r\n])+')
_LIST = re.compile(rf"(?:{_ENTRY.pattern}|[,;\r\n])*")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address and the name shown beside it, which may be empty."""

    address: str
    name: str = ""

    @property
    def key(self) -> str:
        """The same for all spellings of the address: domains know no case."""
        return key_of(self.address)


def key_of(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def parse_mailbox(text: str, what: str, number: int = 1) -> Mailbox:
    """Read `ada@example.com` or `Ada <ada@example.com>`.

    A domain beyond ASCII becomes A-labels (IDNA 2008). `what` names the field, and
    `number` its place there, in the InvalidDefinition raised for any other text.
    """
    text = text.strip(" ")
    named = _NAMED.fullmatch(text)
    try:
        return _mailbox(text, named)
    except _NoAddress as fault:
        raise InvalidDefinition(
            f"{what} must hold addresses like ada@example.com or Ada <ada@example.com>;"
            f" address {number} {fault}"
        ) from None


def parse_mailboxes(value: object, what: str) -> tuple[Mailbox, ...]:
    """Read 1 to 100 addresses, separated by `;`, `,` or line breaks, each once.

    Raises InvalidDefinition.
    """
    text = require_text(value, what, longest=10_000)
    if not _LIST.fullmatch(text):
        raise InvalidDefinition(f"{what} must hold quotation marks in pairs")
    entries = [entry for entry in _ENTRY.findall(text) if entry.strip(" ")]
    if not entries:
        raise InvalidDefinition(f"{what} must hold at least one address")
    if len(entries) > MOST_RECIPIENTS:
        raise InvalidDefinition(f"{what} must hold at most {MOST_RECIPIENTS} addresses")
    mailboxes = [parse_mailbox(each, what, n) for n, each in enumerate(entries, 1)]
    return tuple({mailbox.key: mailbox for mailbox in mailboxes}.values())


def optional_mailboxes(
    document: Mapping[str, object], field: str
) -> tuple[Mailbox, ...]:
    """Read the addresses in a field that may be absent, null or empty."""
    value = document.get(field)
    return () if value is None or value == "" else parse_mailboxes(value, field)


class _NoAddress(Exception):
    """Why a text is no address, for people."""


def _mailbox(text: str, named: re.Match[str] | None) -> Mailbox:
    # The address as well: `=?`, legal in it, begins what other programs decode.
    if not is_header_text(text):
        raise _NoAddress("holds a control character")
    if "=?" in text:
        raise _NoAddress("holds '=?', which begins an encoded word")
    address = named[3] if named else text
    if "@" not in address:
        raise _NoAddress("has no @; a name with a comma needs quotation marks")
    if address.count("@") > 1:
        raise _NoAddress("has more than one @")
    local, _, domain = address.partition("@")
    if not _LOCAL.fullmatch(local) or len(local.encode()) > 64:
        raise _NoAddress("is no address that is taken: see what stands before the @")
    quoted, plain = (named[1], named[2]) if named else (None, "")
    name = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted else plain
    try:
        return Mailbox(f"{local}@{a_labels(domain)}", name or "")
    except NoDomain as fault:
        raise _NoAddress(str(fault)) from None
