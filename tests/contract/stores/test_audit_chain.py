"""The audit chain: wherever it is broken, it says so there."""

import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.stores.audit.chain import (
    Breach,
    ChainHead,
    Link,
    Opening,
    advance,
    follow,
    reach,
    start,
)

CHAIN, OTHER = "a" * 24, "b" * 24
DOCUMENTS = [f'{{"id":"{number}"}}' for number in range(1, 6)]


def mac(message: bytes) -> bytes:
    return hmac.digest(b"key", message, "sha256")


def chain(opening: Opening, documents: list[str]) -> list[Link]:
    head, links = start(mac, opening), []
    for document in documents:
        head = advance(mac, head, document)
        links.append(
            Link(seq=head.seq, id=f"r{head.seq}", document=document, mac=head.mac)
        )
    return links


OPENING = Opening(chain=CHAIN, number=1, after=None)
START = start(mac, OPENING)
LINKS = chain(OPENING, DOCUMENTS)
ELSEWHERE = chain(Opening(chain=OTHER, number=2, after=None), DOCUMENTS)


def test_an_untouched_chain_is_followed_to_its_end() -> None:
    head = follow(mac, START, LINKS)

    assert head == ChainHead(chain=CHAIN, seq=5, mac=LINKS[-1].mac)


def test_a_chain_can_be_followed_piece_by_piece() -> None:
    middle = follow(mac, START, LINKS[:2])

    assert isinstance(middle, ChainHead)
    assert follow(mac, middle, LINKS[2:]) == follow(mac, START, LINKS)


def edited(links: list[Link]) -> list[Link]:
    return [*links[:2], replace(links[2], document="{}"), *links[3:]]


def swapped(links: list[Link]) -> list[Link]:
    third, fourth = links[2], links[3]
    return [
        *links[:2],
        replace(fourth, seq=3),
        replace(third, seq=4),
        *links[4:],
    ]


def inserted(links: list[Link]) -> list[Link]:
    moved = [replace(link, seq=link.seq + 1) for link in links[2:]]
    return [*links[:2], replace(links[1], seq=3), *moved]


def closed_up(links: list[Link]) -> list[Link]:
    return [*links[:2], *(replace(link, seq=link.seq - 1) for link in links[3:])]


@pytest.mark.parametrize(
    ("touch", "seq", "id_", "what"),
    [
        (edited, 3, "r3", "edited"),
        (swapped, 3, "r4", "moved"),
        (inserted, 3, "r2", "put in"),
        (closed_up, 3, "r4", "moved"),
        (lambda links: links[1:], 1, None, "record 1 is missing"),
        (lambda links: links[:2] + links[3:], 3, None, "record 3 is missing"),
        (lambda links: links[:1] + links[4:], 2, None, "records 2 to 4 are missing"),
        (lambda links: ELSEWHERE, 1, "r1", "moved"),
        (lambda links: links[:2] + ELSEWHERE[2:], 3, "r3", "moved"),
    ],
    ids=[
        "edited",
        "swapped",
        "inserted",
        "removed and closed up",
        "first removed",
        "middle removed",
        "several removed",
        "another chain",
        "another chain's end",
    ],
)
def test_a_broken_chain_says_where(
    touch: Callable[[list[Link]], list[Link]], seq: int, id_: str | None, what: str
) -> None:
    breach = follow(mac, START, touch(LINKS))

    assert isinstance(breach, Breach)
    assert (breach.chain, breach.seq, breach.id) == (CHAIN, seq, id_)
    assert what in breach.what


@given(number=st.integers(0, 4), position=st.integers(0, 31), bit=st.integers(0, 7))
def test_no_bit_of_a_seal_may_change(number: int, position: int, bit: int) -> None:
    forged = bytearray(LINKS[number].mac)
    forged[position] ^= 1 << bit
    links = list(LINKS)
    links[number] = replace(links[number], mac=bytes(forged))

    breach = follow(mac, START, links)

    assert isinstance(breach, Breach)
    assert breach.seq == number + 1


@pytest.mark.parametrize(
    "opening",
    [
        replace(OPENING, chain=OTHER),
        replace(OPENING, number=2),
        replace(OPENING, after=ChainHead(chain=OTHER, seq=1, mac=b"x")),
    ],
    ids=["chain", "number", "after"],
)
def test_a_chain_begins_only_where_it_began(opening: Opening) -> None:
    breach = follow(mac, start(mac, opening), LINKS)

    assert isinstance(breach, Breach)
    assert breach.seq == 1


HEAD = ChainHead(chain=CHAIN, seq=5, mac=b"five")


@pytest.mark.parametrize(
    ("known", "what"),
    [
        (HEAD, None),
        (replace(HEAD, seq=4, mac=b"four"), None),
        (replace(HEAD, seq=6), "record 6 is missing"),
        (replace(HEAD, seq=9), "records 6 to 9 are missing"),
        (replace(HEAD, mac=b"another"), "it is not the record that was written here"),
    ],
    ids=["there", "further", "one short", "cut off", "another"],
)
def test_a_chain_must_reach_what_is_known_of_it(
    known: ChainHead, what: str | None
) -> None:
    breach = reach(HEAD, known)

    assert (breach and breach.what) == what
