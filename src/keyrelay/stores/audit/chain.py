"""Audit chain: each record is sealed to the one before it, so that gaps show.

    seal of a record = HMAC(chain, seq, seal of the record before, document)
    before the first = HMAC(chain, number, seq and seal of the record before it)

Every process has a chain of its own. Chains are numbered in the order of their
opening, and each seals how far the one before it had got.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keyrelay.vault.framing import frame

LABEL = "audit"  # the key that the vault authenticates records with

_OPENING, _RECORD = "keyrelay/audit/1/opening", "keyrelay/audit/1/record"

Mac = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """How far a chain has got; 0, its first record is still to come."""

    chain: str
    seq: int
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """`after` is how far the chain with the number before had got; None, the first."""

    chain: str
    number: int
    after: ChainHead | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A record as it stands in its chain."""

    seq: int
    id: str
    document: str
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Where a chain is not as it was written; without `id`, where a record was.

    `profile` is whose record or definition it is; None, of none or of an unknown one.
    """

    chain: str
    seq: int
    id: str | None
    what: str
    profile: str | None = None


def start(mac: Mac, opening: Opening) -> ChainHead:
    after = opening.after or ChainHead(chain="", seq=0, mac=b"")
    message = frame(
        _OPENING,
        opening.chain,
        str(opening.number),
        after.chain,
        str(after.seq),
        after.mac.hex(),
    )
    return ChainHead(chain=opening.chain, seq=0, mac=mac(message))


def advance(mac: Mac, head: ChainHead, document: str) -> ChainHead:
    """Seal the document as the chain's next."""
    seq = head.seq + 1
    message = frame(_RECORD, head.chain, str(seq), head.mac.hex(), document)
    return ChainHead(chain=head.chain, seq=seq, mac=mac(message))


def follow(mac: Mac, head: ChainHead, links: Iterable[Link]) -> ChainHead | Breach:
    """Check the links after `head`: return the last head, or the first breach."""
    for link in links:
        if (breach := check(mac, head, link)) is not None:
            return breach
        head = standing(head.chain, link)
    return head


def check(mac: Mac, head: ChainHead, link: Link) -> Breach | None:
    """Check that the link is the one after `head`."""
    if link.seq != head.seq + 1:
        return _gap(head, link.seq - 1)
    if hmac.compare_digest(advance(mac, head, link.document).mac, link.mac):
        return None
    what = "it was edited, moved here or put in"
    return Breach(chain=head.chain, seq=link.seq, id=link.id, what=what)


def standing(chain: str, link: Link) -> ChainHead:
    """Return the head of a chain that ends with this link, as it stands."""
    return ChainHead(chain=chain, seq=link.seq, mac=link.mac)


def reach(head: ChainHead, known: ChainHead) -> Breach | None:
    """Check that a chain which ends with `head` has got as far as is known."""
    if head.seq < known.seq:
        return _gap(head, known.seq)
    if head.seq == known.seq and not hmac.compare_digest(head.mac, known.mac):
        return Breach(
            chain=head.chain,
            seq=head.seq,
            id=None,
            what="it is not the record that was written here",
        )
    return None


def breach_at(chain: str, what: str, seq: int = 0, id_: str | None = None) -> Breach:
    return Breach(chain=chain, seq=seq, id=id_, what=what)


def _gap(head: ChainHead, last: int) -> Breach:
    first = head.seq + 1
    which = f"record {first} is" if first == last else f"records {first} to {last} are"
    return Breach(chain=head.chain, seq=first, id=None, what=f"{which} missing")
