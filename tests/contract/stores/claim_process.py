"""Another process at the same claims: `race` for all there are, or `hold` some."""

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import replace

from keyrelay.databases.opening import open_database
from keyrelay.model.claim import Arrival, ClaimStatus, Go
from keyrelay.model.world import real_world
from keyrelay.stores.claims.claims import ClaimOptions, ClaimStore, open_claims
from tests.contract.stores.claims import FIRST, ending

ALL = [replace(FIRST, id=f"t{number}") for number in range(400)]


async def race(claims: ClaimStore) -> None:
    # In an order of its own: two that lock what both want must not deadlock.
    some = random.sample(ALL, len(ALL))
    for first in range(0, len(some), 50):
        ours = await claim(claims, some[first : first + 50])
        ended = await claims.end([ending(each, ClaimStatus.DONE) for each in ours])
        assert all(ended)


async def hold(claims: ClaimStore) -> None:
    await claim(claims, ALL[:50])
    await asyncio.Event().wait()  # to be killed here


async def claim(claims: ClaimStore, some: Sequence[Arrival]) -> list[Arrival]:
    judged = zip(some, await claims.claim(some), strict=True)
    ours = [arrival for arrival, verdict in judged if isinstance(verdict, Go)]
    print(*(arrival.id for arrival in ours), flush=True)
    return ours


async def main(task: str, url: str) -> None:
    async with (
        open_database(url) as database,
        open_claims(database, real_world(), ClaimOptions()) as claims,
    ):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await {"race": race, "hold": hold}[task](claims)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
