"""Mailboxes: addresses and header texts, parsed strictly against header injection.

If two parsers read an address differently (`a@good.com <evil@x>`), the mail goes to
another recipient. A header text with a newline, or with an encoded-word (RFC 2047)
that holds one, becomes a header of its own. Both are refused, never repaired.
"""

import re
from dataclasses import dataclass

from keyrelay.dispatchers.smtp.texts import is_header_text
from keyrelay.model.documents import InvalidDefinition, require_text

MOST_RECIPIENTS = 100

# RFC 5321 section 4.1.2, without quoted local parts and address literals.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATEXT}(?:\.{_ATEXT})*)@({_LABEL}(?:\.{_LABEL})*)")
_NAMED = re.compile(r'(?:"([^"\\]*)"|([^"<>@,;]*?)) *<([^<>]*)>')
# One entry of a list: separators inside quotation marks do not separate.
_ENTRY = re.compile(r'(?:"[^"]*"|[^",;])+')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address and the name shown beside it, which may be empty."""

    address: str
    name: str = ""


def parse_mailbox(text: str, what: str) -> Mailbox:
    """Read `ada@example.com` or `Ada <ada@example.com>`.

    `what` names the field in the InvalidDefinition raised for any other text.
    """
    text = text.strip(" ")
    named = _NAMED.fullmatch(text)
    name = (named[1] or named[2] or "") if named else ""
    address = named[3] if named else text
    # The address as well: `=?`, legal in it, begins what other programs decode.
    if not is_header_text(text) or "=?" in text or not _is_address(address):
        raise InvalidDefinition(
            f"{what} must hold addresses like ada@example.com or Ada <ada@example.com>"
        )
    return Mailbox(address, name)


def parse_mailboxes(value: object, what: str) -> tuple[Mailbox, ...]:
    """Read 1 to 100 addresses, separated by `;` or `,`; each is returned once.

    Raises InvalidDefinition.
    """
    text = require_text(value, what, longest=10_000)
    entries = [entry for entry in _ENTRY.findall(text) if entry.strip(" ")]
    if "".join(re.split("[,;]", text)).count('"') % 2 or not entries:
        raise InvalidDefinition(f"{what} must hold at least one address")
    if len(entries) > MOST_RECIPIENTS:
        raise InvalidDefinition(f"{what} must hold at most {MOST_RECIPIENTS} addresses")
    mailboxes = tuple(parse_mailbox(entry, what) for entry in entries)
    return tuple({mailbox.address: mailbox for mailbox in mailboxes}.values())


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and len(found[1]) <= 64 and len(found[2]) <= 253
