"""Console scrubbing: what a script elsewhere sends, and what it costs to look at it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from keyrelay.model.analysis import ScriptedAnalysis, parse_analysis
from keyrelay.model.catalog import Catalog, Omitted, ordered_by_key
from keyrelay.model.console import LONGEST_LINE
from keyrelay.model.policy.policy import index
from keyrelay.model.secret import Secret
from keyrelay.ports import Unsealable
from keyrelay.services.console_room import ConsoleBusy, ConsoleLimits, ConsoleRoom
from keyrelay.services.console_scrubbing import ConsoleScrubbing
from tests.fakes import Clock, FakeVault
from tests.samples import NOON, PROFILE, a_catalog, a_policy, sealed

SCRIPT, TOKEN = "9" * 24, "a-" + "t" * 36
VALUE = "canary-{}-hunter2"
ALLOW = {
    "name": "scripts read secrets",
    "targets": [["analysis"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}
LIMITS = ConsoleLimits(a_second=100, at_once=1000)


def secrets(many: int) -> Sequence[Secret]:
    return [
        Secret(
            id=f"{n:024x}",
            profile=PROFILE,
            key=f"k{n}",
            type="text",
            version=1,
            tags=(),
        )
        for n in range(many)
    ]


def catalog(many: int, *, is_allowed: bool = True) -> Catalog:
    stored = [*map(sealed, secrets(many))]
    analysis = parse_analysis({"name": "script"}, SCRIPT, PROFILE)
    return replace(
        a_catalog(),
        secrets={(PROFILE, each.secret.id): each for each in stored},
        by_key={PROFILE: ordered_by_key(stored)},
        policies={PROFILE: index([a_policy(ALLOW)] if is_allowed else [])},
        analyses={(PROFILE, SCRIPT): ScriptedAnalysis(analysis=analysis)},
    )


@dataclass(frozen=True, slots=True)
class Bench:
    many: int
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    room: ConsoleRoom = field(init=False)
    vault: FakeVault = field(init=False)

    def __post_init__(self) -> None:
        values = {each.id: VALUE.format(n) for n, each in enumerate(secrets(self.many))}
        object.__setattr__(self, "vault", FakeVault(values))
        room = ConsoleRoom(now=self.clock.now, limits=LIMITS)
        object.__setattr__(self, "room", room)

    async def scrub(self, text: str, seen: Catalog | None = None) -> str:
        scrubbing = ConsoleScrubbing(
            vault=self.vault, catalog=seen or catalog(self.many), room=self.room
        )
        return await scrubbing.scrub(PROFILE, SCRIPT, TOKEN, text)

    async def taken(self, text: str, seen: Catalog | None = None) -> int:
        """Return how many such lines are taken at once."""
        for number in range(10_000):
            try:
                await self.scrub(text, seen)
            except ConsoleBusy:
                return number
        raise AssertionError("all are taken")


async def test_values_that_policies_allow_and_the_token_are_masked() -> None:
    bench = Bench(30)

    shown = await bench.scrub(f"{VALUE.format(0)} {VALUE.format(29)} {TOKEN} plain")

    assert shown == "*** *** *** plain"


async def test_what_is_not_released_is_not_opened() -> None:
    bench, text = Bench(2), f"{VALUE.format(0)} {TOKEN}"
    seen = catalog(2)
    closed = replace(seen, omitted=Omitted(profiles={PROFILE: "not believed"}))

    for each in (catalog(2, is_allowed=False), closed, replace(seen, analyses={})):
        assert await bench.scrub(text, each) == f"{VALUE.format(0)} ***"

    assert bench.vault.permits == []


async def test_a_secret_that_does_not_open_leaves_the_token_masked() -> None:
    bench = Bench(1)
    bench.vault.broken = Unsealable("altered")

    assert await bench.scrub(f"said {TOKEN}") == "said ***"


async def test_the_more_secrets_are_allowed_the_fewer_lines_are_taken() -> None:
    taken = [await Bench(many).taken("a line") for many in (1, 10, 100, 1000)]

    assert taken == sorted(taken, reverse=True)
    assert taken[0] > 200
    assert taken[2:] == [10, 1]


async def test_secrets_that_are_not_allowed_cost_little() -> None:
    bench, denied = Bench(100), catalog(100, is_allowed=False)

    assert await bench.taken("a line", denied) > 100


async def test_a_long_text_costs_more_than_a_short_one() -> None:
    short, long = await Bench(1).taken("a"), await Bench(1).taken("a" * 20_000)

    assert 5 < long < short / 10


async def test_a_script_that_is_refused_opens_nothing_until_it_may_send() -> None:
    bench = Bench(100)
    await bench.taken("a line")
    opened = len(bench.vault.permits)

    with pytest.raises(ConsoleBusy) as busy:
        await bench.scrub("a line")
    assert len(bench.vault.permits) == opened
    bench.clock.advance(timedelta(seconds=busy.value.seconds + 1))

    assert await bench.scrub(VALUE.format(7)) == "***"


@pytest.mark.parametrize("shown", range(0, 19, 3))
async def test_a_value_where_a_long_text_is_cut_does_not_stay(shown: int) -> None:
    value, sought = VALUE.format(0), 4 * LONGEST_LINE
    # Masked, so much is so short that all of it is kept.
    masked = f"{value} " * ((sought - 40) // (len(value) + 1))
    plain = "x" * (sought - len(masked) - shown)

    scrubbed = await Bench(1).scrub(f"{masked}{plain}{value} and more")

    assert len(scrubbed) < LONGEST_LINE
    assert "*** xxx" in scrubbed
    assert value[0] not in scrubbed
    assert scrubbed.endswith("…")


async def test_what_is_kept_of_a_long_text_is_what_was_sent() -> None:
    text = "".join(f"{n:06d}" for n in range(20_000))

    shown = await Bench(1).scrub(text)

    assert shown[:LONGEST_LINE] == text[:LONGEST_LINE]
