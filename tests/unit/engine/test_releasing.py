"""Releasing: what policies permit, in order, on record first, and nothing else."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyrelay.engine.releasing import MOST_TOLD, Releasing
from keyrelay.model.analysis import Analysis, RunOn, Variable
from keyrelay.model.audit import (
    AuditRecord,
    Released,
    ReleaseRecord,
    RunIdentity,
)
from keyrelay.model.catalog import Catalog, Omitted, ordered_by_key
from keyrelay.model.policy.kinds import ANALYSIS as KIND
from keyrelay.model.policy.policy import Permit, PolicyIndex, index
from keyrelay.model.recorded import RecordedAttempt
from keyrelay.model.release import HOSTED, ReleasedEnvironment, RunPlace
from keyrelay.model.secret import OpenedSecret, Secret
from keyrelay.model.tags import Tag, Tagged
from keyrelay.ports import Unavailable, Unsealable
from tests.fakes import Clock, FakeVault, Story, begun
from tests.samples import (
    ANALYSIS,
    NOON,
    OTHER_PROFILE,
    POLICY,
    PROFILE,
    REVISION,
    a_policy,
    sealed,
)

SITE, TEAM = Tag("site", "north"), Tag("team", "red")
ALLOW: Mapping[str, object] = {
    "name": "scripts read secrets",
    "targets": [["analysis"]],
    "permissions": [
        {"effect": "allow", "action": ["access"], "resource": ["secrets"]},
    ],
}
OF_THE_SITE: Mapping[str, object] = {
    **ALLOW,
    "permissions": [
        {
            "effect": "allow",
            "action": ["access"],
            "resource": ["secrets", "tag_match", "site"],
        },
    ],
}
DENY: Mapping[str, object] = {
    **ALLOW,
    "name": "never",
    "permissions": [
        {
            "effect": "deny",
            "action": ["access"],
            "resource": ["secrets", "tag.key", "team", "tag.value", "red"],
        },
    ],
}
ELSEWHERE = RunPlace(run_on=RunOn.EXTERNAL, address="192.0.2.7:52010")


def a_secret(key: str, *tags: Tag, profile: str = PROFILE, version: int = 1) -> Secret:
    return Secret(
        id=key.encode().hex().rjust(24, "0")[-24:],
        profile=profile,
        key=key,
        type="text",
        version=version,
        tags=tags,
    )


def an_analysis(*variables: Variable, profile: str = PROFILE) -> Analysis:
    return Analysis(
        tagged=Tagged(kind=KIND, profile=profile, id=ANALYSIS, tags=(SITE,)),
        name="cold rooms",
        active=True,
        run_on=RunOn.HOSTED,
        interval=None,
        variables=variables,
    )


def a_catalog(*secrets: Secret, policies: PolicyIndex | None = None) -> Catalog:
    """Return these secrets, and what allows all of them in their profiles."""
    stored = [sealed(each) for each in secrets]
    profiles = {PROFILE, OTHER_PROFILE}
    return Catalog(
        revision=REVISION,
        actions={},
        secrets={(e.secret.profile, e.secret.id): e for e in stored},
        by_key={
            profile: ordered_by_key(e for e in stored if e.secret.profile == profile)
            for profile in profiles
        },
        policies={
            profile: policies or index([a_policy(ALLOW, profile)])
            for profile in profiles
        },
    )


@dataclass
class Log:
    """An audit log whose records are kept once it is told so; it may be `down`."""

    story: Story
    down: bool = False
    records: list[ReleaseRecord] = field(default_factory=list)
    together: int = 1
    asked: list[AuditRecord] = field(default_factory=list)
    waiting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    full: asyncio.Event = field(default_factory=asyncio.Event)

    async def append(self, record: AuditRecord) -> None:
        assert isinstance(record, ReleaseRecord)
        self.asked.append(record)
        self.waiting.release()
        if len(self.asked) >= self.together:
            self.full.set()
        await self.full.wait()
        if self.down:
            raise Unavailable("the audit log does not answer")
        self.story.tell(f"record {record.released.secret}")
        self.records.append(record)

    async def attempts(
        self, profile: str, trigger: str, since: datetime
    ) -> Sequence[RecordedAttempt]:
        raise NotImplementedError


@dataclass
class Bench:
    """The parts of Releasing, and what they have seen."""

    vault: FakeVault
    log: Log

    async def release(
        self,
        catalog: Catalog,
        analysis: Analysis | None = None,
        *extra: Variable,
        place: RunPlace = HOSTED,
    ) -> ReleasedEnvironment:
        world = Clock(time=NOON).world()
        releasing = Releasing(vault=self.vault, audit=self.log, world=world)
        return await releasing.release(
            catalog, analysis or an_analysis(), "r1", place, extra
        )

    @property
    def opened(self) -> list[str]:
        return [each.sealed.secret.key for each in self.vault.permits]


def a_bench(*secrets: Secret) -> Bench:
    values = {each.id: f"value of {each.key}" for each in secrets}
    return Bench(vault=FakeVault(values), log=Log(Story()))


A, B, C = a_secret("a", SITE), a_secret("b", TEAM), a_secret("c", SITE, TEAM)


@pytest.fixture
def bench() -> Bench:
    return a_bench(A, B, C)


async def test_the_secrets_that_policies_permit_come_by_key(bench: Bench) -> None:
    given = await bench.release(a_catalog(C, A, B))

    assert given.revealed() == [
        ("a", "value of a"),
        ("b", "value of b"),
        ("c", "value of c"),
    ]
    assert given.withheld == ()


async def test_without_a_policy_nothing_is_opened_and_each_secret_is_told(
    bench: Bench,
) -> None:
    given = await bench.release(a_catalog(A, B, policies=index(())))

    assert given.pairs == ()
    assert (bench.opened, bench.log.records) == ([], [])
    assert [each.split(": ")[0] for each in given.withheld] == [
        "secret a is withheld",
        "secret b is withheld",
    ]
    assert all("no policy lets analysis" in each for each in given.withheld)


async def test_a_policy_about_actions_releases_nothing_to_an_analysis(
    bench: Bench,
) -> None:
    given = await bench.release(a_catalog(A, policies=index([a_policy()])))

    assert (given.pairs, bench.opened) == ((), [])


async def test_an_inactive_policy_counts_for_nothing(bench: Bench) -> None:
    policies = index([a_policy({**ALLOW, "active": False})])

    given = await bench.release(a_catalog(A, policies=policies))

    assert (given.pairs, bench.opened) == ((), [])
    assert "inactive" in given.withheld[0]


async def test_a_tag_of_the_analysis_decides(bench: Bench) -> None:
    policies = index([a_policy(OF_THE_SITE)])

    given = await bench.release(a_catalog(A, B, C, policies=policies))

    assert [key for key, _ in given.revealed()] == ["a", "c"]
    assert bench.opened == ["a", "c"]


async def test_deny_beats_allow_and_the_policy_is_told(bench: Bench) -> None:
    denying = a_policy(DENY)
    policies = index([a_policy(ALLOW), denying])

    given = await bench.release(a_catalog(A, B, C, policies=policies))

    assert bench.opened == ["a"]
    assert [key for key, _ in given.revealed()] == ["a"]
    assert [each.split(":")[0] for each in given.withheld] == [
        "secret b is withheld",
        "secret c is withheld",
    ]
    assert all('policy "never"' in each for each in given.withheld)


async def test_the_records_say_what_was_released_to_which_run_and_where(
    bench: Bench,
) -> None:
    secret = replace(A, version=7)

    await bench.release(a_catalog(secret), place=ELSEWHERE)

    assert bench.log.records == [
        ReleaseRecord(
            id="9" * 24,
            to=RunIdentity(
                profile=PROFILE, run="r1", analysis=ANALYSIS, place=ELSEWHERE
            ),
            released=Released(secret=secret.id, version=7, policy=POLICY),
            at=NOON,
        )
    ]


async def test_no_value_is_handed_out_before_all_is_on_record(bench: Bench) -> None:
    bench.log.together = 4  # one more than there are: none is kept yet

    release = await begun(bench.release(a_catalog(A, B, C)))
    for _ in range(3):
        await bench.log.waiting.acquire()
    early = release.done()
    bench.log.full.set()
    given = await release

    assert not early
    assert len(given.pairs) == len(bench.log.records) == 3


async def test_records_of_one_run_are_appended_together(bench: Bench) -> None:
    bench.log.together = 3

    given = await bench.release(a_catalog(A, B, C))

    assert len(given.pairs) == 3


async def test_while_records_are_not_kept_nothing_is_handed_out(bench: Bench) -> None:
    bench.log.down = True

    with pytest.raises(Unavailable, match="audit log"):
        await bench.release(a_catalog(A, B))


async def test_while_the_vault_is_sealed_nothing_is_recorded(bench: Bench) -> None:
    bench.vault.broken = Unavailable("the vault is sealed")

    with pytest.raises(Unavailable, match="sealed"):
        await bench.release(a_catalog(A, B))

    assert bench.log.records == []


@dataclass
class Picky(FakeVault):
    """A vault in which one secret does not open."""

    never: str = ""

    async def open(self, permit: Permit) -> OpenedSecret:
        if permit.sealed.secret.key == self.never:
            raise Unsealable("it was altered")
        return await FakeVault.open(self, permit)


async def test_a_secret_that_does_not_open_is_withheld_and_the_others_go(
    bench: Bench,
) -> None:
    bench.vault = Picky(bench.vault.values, never="b")

    given = await bench.release(a_catalog(A, B, C))

    assert [key for key, _ in given.revealed()] == ["a", "c"]
    assert given.withheld == ("secret b is withheld: it does not open: it was altered",)
    assert [each.released.secret for each in bench.log.records] == [A.id, C.id]


async def test_a_variable_replaces_the_secret_which_is_not_even_opened(
    bench: Bench,
) -> None:
    given = await bench.release(a_catalog(A, B), an_analysis(Variable("b", 8)))

    assert given.revealed() == [("a", "value of a"), ("b", 8)]
    assert bench.opened == ["a"]
    assert [each.released.secret for each in bench.log.records] == [A.id]


async def test_a_variable_with_the_value_of_a_released_secret_is_told_without_it(
    bench: Bench,
) -> None:
    analysis = an_analysis(
        Variable("copied", "value of a"),
        Variable("near", "value of A"),
        Variable("limit", 8),
    )

    given = await bench.release(a_catalog(A, B), analysis)

    remark = (
        "variable copied has the value of a secret that policies release: remove the"
        " variable"
    )
    assert given.remarks == (remark,)
    assert given.told == (remark,)
    assert given.revealed()[2:] == [
        ("copied", "value of a"),
        ("near", "value of A"),
        ("limit", 8),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1234567", "1234567"), ("1234567", 1234567)],
    ids=["short", "short number"],
)
async def test_a_short_value_that_two_have_is_no_remark(
    text: str, value: str | int
) -> None:
    bench = Bench(vault=FakeVault({A.id: text}), log=Log(Story()))

    given = await bench.release(a_catalog(A), an_analysis(Variable("x", value)))

    assert given.remarks == ()


async def test_a_variable_that_is_a_number_may_be_a_secret_too() -> None:
    bench = Bench(vault=FakeVault({A.id: "12345678"}), log=Log(Story()))

    given = await bench.release(a_catalog(A), an_analysis(Variable("pin", 12345678)))

    assert len(given.remarks) == 1


async def test_what_is_not_released_to_the_run_is_compared_with_nothing(
    bench: Bench,
) -> None:
    copies = [Variable(f"of-{key}", f"value of {key}") for key in "abc"]
    denied = a_catalog(A, B, C, policies=index(()))

    given = await bench.release(denied, an_analysis(*copies))
    same_key = await bench.release(
        a_catalog(A), an_analysis(Variable("a", "value of a"))
    )

    assert given.remarks == same_key.remarks == ()
    assert bench.opened == []


async def test_a_secret_that_is_replaced_and_denied_is_not_told_of(
    bench: Bench,
) -> None:
    nothing = a_catalog(B, policies=index(()))

    given = await bench.release(nothing, an_analysis(Variable("b", "mine")))

    assert (given.revealed(), given.withheld) == ([("b", "mine")], ())


async def test_what_a_trigger_adds_stands_between_secrets_and_variables(
    bench: Bench,
) -> None:
    analysis = an_analysis(Variable("z", 7.5), Variable("_action_id", "mine"))
    extra = (Variable("_action_id", "theirs"), Variable("_action_type", "script"))

    given = await bench.release(a_catalog(A), analysis, *extra)

    assert given.revealed() == [
        ("a", "value of a"),
        ("_action_type", "script"),
        ("z", 7.5),
        ("_action_id", "mine"),
    ]


async def test_a_secret_of_another_profile_is_neither_opened_nor_named() -> None:
    theirs = a_secret("theirs", SITE, profile=OTHER_PROFILE)
    bench = a_bench(A, theirs)

    given = await bench.release(a_catalog(A, theirs))

    assert [key for key, _ in given.revealed()] == ["a"]
    assert (bench.opened, given.withheld) == (["a"], ())


async def test_a_secret_in_the_wrong_profiles_list_is_denied() -> None:
    theirs = a_secret("theirs", SITE, profile=OTHER_PROFILE)
    bench, catalog = a_bench(theirs), a_catalog()
    mixed = replace(catalog, by_key={PROFILE: [sealed(theirs)]})

    given = await bench.release(mixed)

    assert (given.pairs, bench.opened) == ((), [])
    assert "is not of the profile" in given.withheld[0]


async def test_of_a_profile_that_is_not_believed_no_secret_is_released(
    bench: Bench,
) -> None:
    closed = replace(a_catalog(A), omitted=Omitted(profiles={PROFILE: "not believed"}))

    given = await bench.release(closed, an_analysis(Variable("k", 1)))

    assert given.revealed() == [("k", 1)]
    assert (given.withheld, bench.opened) == (("not believed",), [])


async def test_an_error_while_deciding_releases_nothing_at_all(bench: Bench) -> None:
    broken = replace(B, tags=([],))  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="unhashable"):
        await bench.release(a_catalog(A, broken))

    assert (bench.opened, bench.log.records) == ([], [])


async def test_only_the_first_secrets_that_are_withheld_are_named() -> None:
    secrets = [a_secret(f"k{number:03}") for number in range(MOST_TOLD + 400)]
    bench = a_bench(*secrets)

    given = await bench.release(a_catalog(*secrets, policies=index(())))

    assert len(given.withheld) == MOST_TOLD + 1
    assert given.withheld[0].startswith("secret k000 is withheld")
    assert given.withheld[-1] == "and 400 more secrets"


async def test_nothing_of_a_value_is_printed_with_what_is_released(
    bench: Bench,
) -> None:
    given = await bench.release(a_catalog(A, B))

    assert "value of" not in f"{given!r} {given} {given.withheld}"


KEYS = st.sampled_from([*"abcdefgh"])
VARIABLES = st.lists(st.builds(Variable, KEYS, st.integers(0, 9)), max_size=8)


@given(
    st.lists(KEYS, unique=True),
    st.sets(KEYS),
    VARIABLES,
    st.lists(st.builds(Variable, KEYS, st.integers(0, 9)), unique_by=lambda v: v.key),
)
async def test_secrets_come_first_by_key_and_of_one_key_only_the_last_is_given(
    keys: list[str], red: set[str], extra: list[Variable], own: list[Variable]
) -> None:
    secrets = [a_secret(key, *([TEAM] if key in red else [])) for key in keys]
    policies = index([a_policy(ALLOW), a_policy(DENY)])
    bench = a_bench(*secrets)

    given = await bench.release(
        a_catalog(*secrets, policies=policies), an_analysis(*own), *extra
    )

    every = [(each.key, each.value) for each in (*extra, *own)]
    last = [
        pair
        for place, pair in enumerate(every)
        if pair[0] not in {key for key, _ in every[place + 1 :]}
    ]
    replaced = {key for key, _ in every}
    released = sorted({*keys} - replaced - red)
    assert given.revealed() == [*((k, f"value of {k}") for k in released), *last]
    assert bench.opened == released
    assert [each.released.secret for each in bench.log.records] == [
        a_secret(key).id for key in released
    ]
    assert len(given.withheld) == len({*keys} - replaced - {*released})
