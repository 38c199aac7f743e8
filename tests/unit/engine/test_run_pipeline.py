"""The pipeline of runs: each stage in its turn, and nothing after one that says no."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from keyrelay.engine.releasing import Releasing
from keyrelay.engine.run_pipeline import RUNS, RunPipeline
from keyrelay.model.analysis import Analysis, RunOn, ScriptedAnalysis, Variable
from keyrelay.model.audit import Report
from keyrelay.model.catalog import Catalog, Omitted
from keyrelay.model.lifetime import Lifetime
from keyrelay.model.outcome import (
    LEASE_LOST,
    RUN_LOST,
    Deferred,
    Delivered,
    Fault,
    Outcome,
    ReasonClass,
    Rejected,
    Uncertain,
)
from keyrelay.model.policy.policy import index
from keyrelay.model.release import HOSTED, ReleasedRun, RunPlace
from keyrelay.model.revision import Revision
from keyrelay.model.run import RunCause, RunOrder, RunOrigin
from keyrelay.model.secret import OpenedSecret
from keyrelay.model.settlement import Attempt, Bury, Done, Settlement, TryAgain, settle
from keyrelay.model.trigger import Trigger
from keyrelay.ports import StillHeld, Unavailable
from tests.fakes import Clock, FakeLease, FakeVault, Story, stay
from tests.samples import (
    ACTIONS,
    ANALYSIS,
    DAY,
    NOON,
    OTHER_PROFILE,
    PROFILE,
    REVISION,
    a_trigger,
)
from tests.unit.engine.test_releasing import SITE, Log, a_catalog, a_secret, an_analysis
from tests.unit.engine.test_releasing import Bench as Release

WELL = Delivered("The script ended well.")
HOUR = timedelta(hours=1)
SECRET = a_secret("password", SITE)
ORDER = RunOrder(
    id="r1",
    profile=PROFILE,
    analysis=ANALYSIS,
    run_on=RunOn.HOSTED,
    cause=RunCause(
        origin=RunOrigin.ACTION,
        asked_at=NOON,
        deadline=NOON + HOUR,
        variables=(Variable("_action_id", "an action"),),
    ),
    scope='[{"variable":"temperature"}]',
)
ACTION = "c" * 24
RUNS_SCRIPTS = {"type": "script", "script": [ANALYSIS]}
MAILS = {
    "type": "email-smtp",
    "from": "relay@example.com",
    "to": "ada@example.com",
    "subject": "cold",
    "message": "cold",
    "smtp_secret": "5" * 24,
}
WHOLE = ("find run", "find place", "open password", f"record {SECRET.id}", "perform")


@dataclass
class FakeStage:
    """A place where runs end as the test says."""

    story: Story
    at: RunPlace | Deferred | Rejected = HOSTED
    answer: Outcome = WELL
    runs: list[ReleasedRun] = field(default_factory=list)
    places: list[RunPlace] = field(default_factory=list)

    async def place(
        self, _: RunOrder, scripted: ScriptedAnalysis
    ) -> RunPlace | Deferred | Rejected:
        assert scripted.analysis.tagged.profile == PROFILE
        self.story.tell("find place")
        return self.at

    async def perform(
        self, run: ReleasedRun, place: RunPlace, still_held: StillHeld
    ) -> Outcome:
        if not await still_held():
            return LEASE_LOST
        self.story.tell("perform")
        self.runs.append(run)
        self.places.append(place)
        return self.answer


@dataclass
class ToldVault(FakeVault):
    story: Story = field(default_factory=Story)

    async def open(self, permit: object) -> OpenedSecret:
        opened = await FakeVault.open(self, permit)  # type: ignore[arg-type]
        self.story.tell(f"open {opened.secret.key}")
        return opened


@dataclass
class Bench:
    """The pipeline of runs with its collaborators, and what they have done."""

    story: Story = field(default_factory=Story)
    clock: Clock = field(default_factory=lambda: Clock(time=NOON))
    catalog: Catalog = field(default_factory=lambda: with_analysis(a_catalog(SECRET)))
    order: RunOrder | None = ORDER
    down: Unavailable | None = None
    stage: FakeStage = field(init=False)
    release: Release = field(init=False)
    asked: list[Revision | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = FakeStage(self.story)
        self.release = Release(
            vault=ToldVault({SECRET.id: "hunter2"}, story=self.story),
            log=Log(self.story),
        )

    async def attempt(
        self, *, held: bool = True, number: int = 1, repeats: bool = False
    ) -> Report:
        pipeline = RunPipeline(
            catalog=self._catalog,
            order=self._order,
            releasing=Releasing(
                vault=self.release.vault,
                audit=self.release.log,
                world=self.clock.world(),
            ),
            stage=self.stage,
            schedule=RUNS,
            now=self.clock.now,
        )
        lease = FakeLease(trigger=LENT, number=number, held=held, repeats=repeats)
        return await pipeline.attempt(lease, stay)

    async def _catalog(self, revision: Revision | None) -> Catalog:
        self.asked.append(revision)
        if self.down is not None:
            raise self.down
        return self.catalog

    async def _order(self, profile: str, id_: str) -> RunOrder | None:
        assert (profile, id_) == (PROFILE, LENT.id)
        self.story.tell("find run")
        return self.order

    @property
    def is_untouched(self) -> bool:
        """Nothing was opened, recorded or run."""
        return not (
            self.release.vault.permits or self.release.log.records or self.stage.runs
        )


def lent(revision: Revision | None) -> Trigger:
    life = Lifetime(raised_at=NOON, deadline=NOON + HOUR, revision=revision)
    return replace(a_trigger(action=ANALYSIS, id_=ORDER.id), lifetime=life)


LENT = lent(REVISION)


def with_analysis(catalog: Catalog, analysis: Analysis | None = None) -> Catalog:
    scripted = ScriptedAnalysis(analysis=analysis or an_analysis(Variable("own", 1)))
    profile = scripted.analysis.tagged.profile
    return replace(catalog, analyses={(profile, ANALYSIS): scripted})


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_run_goes_through_its_stages_in_their_order(bench: Bench) -> None:
    report = await bench.attempt()

    assert report.outcome == WELL
    assert bench.story.events == [*WHOLE]


async def test_a_script_is_given_secrets_then_the_trigger_s_then_its_own_variables(
    bench: Bench,
) -> None:
    await bench.attempt()

    (run,) = bench.stage.runs
    assert run.order is ORDER
    assert run.scripted is bench.catalog.analyses[PROFILE, ANALYSIS]
    assert run.environment.revealed() == [
        ("password", "hunter2"),
        ("_action_id", "an action"),
        ("own", 1),
    ]
    (record,) = bench.release.log.records
    assert (record.to.run, record.to.place) == (ORDER.id, HOSTED)


async def test_without_a_policy_the_script_runs_and_knows_no_secret(
    bench: Bench,
) -> None:
    bench.catalog = replace(bench.catalog, policies={PROFILE: index(())})

    report = await bench.attempt()

    (run,) = bench.stage.runs
    assert report.outcome == WELL
    assert [key for key, _ in run.environment.pairs] == ["_action_id", "own"]
    assert run.environment.withheld[0].startswith("secret password is withheld")
    assert bench.release.opened == []


async def test_the_place_that_the_stage_finds_is_where_it_runs(bench: Bench) -> None:
    elsewhere = RunPlace(run_on=RunOn.EXTERNAL, address="192.0.2.7:52010")
    bench.stage.at = elsewhere

    await bench.attempt()

    assert bench.stage.places == [elsewhere]
    assert bench.release.log.records[0].to.place == elsewhere


# Nothing is run, and no secret is opened


def no_row(bench: Bench) -> None:
    bench.order = None


def no_analysis(bench: Bench) -> None:
    bench.catalog = replace(bench.catalog, analyses={})


def an_analysis_that_is_left_out(bench: Bench) -> None:
    omitted = Omitted(definitions={(PROFILE, ANALYSIS): "its row was edited"})
    bench.catalog = replace(bench.catalog, analyses={}, omitted=omitted)


def an_analysis_of_another_profile(bench: Bench) -> None:
    theirs = an_analysis(profile=OTHER_PROFILE)
    bench.catalog = with_analysis(bench.catalog, theirs)


def an_order_of_another_profile(bench: Bench) -> None:
    bench.order = replace(ORDER, profile=OTHER_PROFILE)


def an_inactive_one(bench: Bench) -> None:
    bench.catalog = with_analysis(bench.catalog, replace(an_analysis(), active=False))


def one_that_runs_elsewhere_by_now(bench: Bench) -> None:
    external = replace(an_analysis(), run_on=RunOn.EXTERNAL)
    bench.catalog = with_analysis(bench.catalog, external)


def a_deadline_that_passed(bench: Bench) -> None:
    bench.clock.time = ORDER.cause.deadline + timedelta(microseconds=1)


def a_stage_that_never_has_a_place(bench: Bench) -> None:
    bench.stage.at = Rejected("there is no `node`", Fault.SYSTEM)


REFUSALS = [
    (no_row, "its row is not what was written", Fault.SYSTEM),
    (no_analysis, f"there is no analysis {ANALYSIS}", Fault.DEFINITION),
    (
        an_analysis_that_is_left_out,
        f"analysis {ANALYSIS}: its row was edited",
        Fault.DEFINITION,
    ),
    (
        an_analysis_of_another_profile,
        f"there is no analysis {ANALYSIS}",
        Fault.DEFINITION,
    ),
    (
        an_order_of_another_profile,
        f"there is no analysis {ANALYSIS}",
        Fault.DEFINITION,
    ),
    (an_inactive_one, "analysis 'cold rooms' is inactive", Fault.DEFINITION),
    (
        one_that_runs_elsewhere_by_now,
        "analysis 'cold rooms' runs on `external` by now, and this run was asked for"
        " on `tago`: ask for another",
        Fault.DEFINITION,
    ),
    (
        a_deadline_that_passed,
        "its deadline passed before an attempt",
        Fault.TRIGGER,
    ),
    (a_stage_that_never_has_a_place, "there is no `node`", Fault.SYSTEM),
]


@pytest.mark.parametrize(("change", "reason", "fault"), REFUSALS)
async def test_what_cannot_be_run_is_rejected_before_anything_is_opened(
    bench: Bench, change: Callable[[Bench], None], reason: str, fault: Fault
) -> None:
    change(bench)

    report = await bench.attempt()

    assert isinstance(report.outcome, Rejected)
    assert (report.outcome.reason, report.outcome.fault) == (reason, fault)
    assert not report.held
    assert report.evidence.channel == "script"
    assert bench.is_untouched


@pytest.mark.parametrize(("change", "reason", "fault"), REFUSALS)
async def test_what_is_rejected_is_not_tried_again(
    bench: Bench, change: Callable[[Bench], None], reason: str, fault: Fault
) -> None:
    change(bench)

    settlement = settled(await bench.attempt(), 1)

    assert settlement == Bury(reason=reason, fault=fault)


async def test_at_its_very_deadline_a_run_may_begin(bench: Bench) -> None:
    bench.clock.time = ORDER.cause.deadline

    report = await bench.attempt()

    assert isinstance(report.outcome, Delivered)


async def test_a_run_that_is_over_its_deadline_counts_as_expired(bench: Bench) -> None:
    a_deadline_that_passed(bench)

    assert (await bench.attempt()).reason_class is ReasonClass.EXPIRED


async def test_where_definitions_are_not_believed_runs_wait_unspent(
    bench: Bench,
) -> None:
    bench.catalog = replace(
        bench.catalog, omitted=Omitted(profiles={PROFILE: "its index was edited"})
    )

    report = await bench.attempt()

    assert is_held(report, "its index was edited")
    assert bench.is_untouched
    assert bench.story.events == []


async def test_where_definitions_have_gone_back_runs_wait_unspent(
    bench: Bench,
) -> None:
    older = Revision(REVISION.history, REVISION.number - 1)
    bench.catalog = replace(bench.catalog, revision=older)

    report = await bench.attempt()

    assert is_held(report, "the definitions are older than when it was accepted")
    assert bench.is_untouched
    assert bench.asked == [REVISION]


async def test_a_run_for_which_there_is_no_place_yet_waits_unspent(
    bench: Bench,
) -> None:
    bench.stage.at = Deferred(
        "nobody listens", not_before=timedelta(seconds=1), spends_attempt=False
    )

    report = await bench.attempt()

    assert is_held(report, "nobody listens")
    assert bench.is_untouched


async def test_once_the_lease_is_lost_nothing_is_run(bench: Bench) -> None:
    report = await bench.attempt(held=False)

    assert (report.outcome, report.lost) == (LEASE_LOST, True)
    assert bench.stage.runs == []


async def test_a_run_that_is_lost_while_its_script_runs_is_reported_as_lost(
    bench: Bench,
) -> None:
    bench.stage.answer = RUN_LOST

    report = await bench.attempt()

    assert (report.outcome, report.lost) == (RUN_LOST, True)


@pytest.mark.parametrize("part", ["catalog", "vault", "audit"])
async def test_while_a_part_does_not_answer_nothing_is_run(
    bench: Bench, part: str
) -> None:
    fault = Unavailable("it does not answer")
    match part:
        case "catalog":
            bench.down = fault
        case "vault":
            bench.release.vault.broken = fault
        case _:
            bench.release.log.down = True

    with pytest.raises(Unavailable, match="answer"):
        await bench.attempt()

    assert bench.stage.runs == []


# Again, and not again


async def test_a_run_that_was_cut_short_once_is_run_again(bench: Bench) -> None:
    report = await bench.attempt(number=2)

    assert isinstance(report.outcome, Delivered)
    assert bench.story.events == [*WHOLE]


async def test_a_run_that_was_cut_short_twice_is_not_run_again(bench: Bench) -> None:
    report = await bench.attempt(number=3)

    assert report.outcome == Uncertain(
        "its attempts were cut short, the last one too", why=ReasonClass.CUT_SHORT
    )
    assert bench.is_untouched
    assert isinstance(settled(report, 3), Bury)


@pytest.mark.parametrize(
    ("outcome", "number", "kind"),
    [
        (Delivered("well"), 1, Done),
        (Rejected("exit code 3", Fault.DEFINITION), 1, Bury),
        (Uncertain("cut short"), 1, TryAgain),
        (Uncertain("cut short"), 2, Bury),
    ],
)
async def test_only_a_run_whose_end_is_not_known_is_repeated_and_once(
    bench: Bench, outcome: Outcome, number: int, kind: type[Settlement]
) -> None:
    bench.stage.answer = outcome

    report = await bench.attempt(number=number)

    assert report.schedule == RUNS
    assert isinstance(settled(report, number), kind)


# What an action's `retry` asks for

BADLY = Rejected("exit code 3", Fault.DEFINITION, why=ReasonClass.SCRIPT)
RETRY = {"attempts": 3, "first_seconds": 10, "longest_seconds": 60}


def with_action(
    bench: Bench,
    retry: object = RETRY,
    does: Mapping[str, object] = RUNS_SCRIPTS,
    profile: str = PROFILE,
) -> None:
    """Have the run be asked for by an action of that document, and end badly."""
    document: dict[str, object] = {"name": "watch", "action": does}
    document |= {} if retry is None else {"retry": retry}
    action = ACTIONS.parse(document, ACTION, profile)
    bench.catalog = replace(bench.catalog, actions={(profile, ACTION): action})
    bench.order = replace(ORDER, cause=replace(ORDER.cause, action=ACTION))
    bench.stage.answer = BADLY


async def test_a_script_that_ended_badly_is_run_again_as_its_action_asks(
    bench: Bench,
) -> None:
    with_action(bench)

    reports = [await bench.attempt(number=number) for number in (1, 2, 3)]

    assert [settled(each, number) for number, each in enumerate(reports, 1)] == [
        TryAgain(after=timedelta(seconds=5)),
        TryAgain(after=timedelta(seconds=10)),
        Bury(reason="exit code 3", fault=Fault.DEFINITION),
    ]
    assert {each.reason_class for each in reports} == {ReasonClass.SCRIPT}
    assert len(bench.stage.runs) == 3


def by_no_action(bench: Bench) -> None:
    bench.order = ORDER


def by_one_that_is_gone(bench: Bench) -> None:
    bench.catalog = replace(bench.catalog, actions={})


def by_one_without_retry(bench: Bench) -> None:
    with_action(bench, retry=None)


def by_one_that_sends_mail_by_now(bench: Bench) -> None:
    with_action(bench, does=MAILS)


def by_one_of_another_profile(bench: Bench) -> None:
    with_action(bench, profile=OTHER_PROFILE)


def by_one_that_asks_for_one_attempt(bench: Bench) -> None:
    with_action(bench, retry={"attempts": 1})


def by_a_script_elsewhere(bench: Bench) -> None:
    bench.catalog = with_analysis(
        bench.catalog, replace(an_analysis(), run_on=RunOn.EXTERNAL)
    )
    assert bench.order is not None
    bench.order = replace(bench.order, run_on=RunOn.EXTERNAL)


def by_a_refusal(bench: Bench) -> None:
    bench.stage.answer = Rejected(
        "exit code 3", Fault.DEFINITION, why=ReasonClass.NO_DEFINITION
    )


def by_no_place(bench: Bench) -> None:
    bench.stage.at = BADLY


@pytest.mark.parametrize(
    "change",
    [
        by_no_action,
        by_one_that_is_gone,
        by_one_without_retry,
        by_one_that_sends_mail_by_now,
        by_one_of_another_profile,
        by_one_that_asks_for_one_attempt,
        by_a_script_elsewhere,
        by_a_refusal,
        by_no_place,
    ],
)
async def test_no_other_run_that_failed_is_run_again(
    bench: Bench, change: Callable[[Bench], None]
) -> None:
    with_action(bench)
    change(bench)

    settlement = settled(await bench.attempt(), 1)

    assert settlement == Bury(reason="exit code 3", fault=Fault.DEFINITION)


async def test_an_action_that_was_edited_asks_as_it_stands_now(bench: Bench) -> None:
    with_action(bench, retry={"attempts": 1})
    with_action(bench)

    assert isinstance(settled(await bench.attempt(), 1), TryAgain)


@pytest.mark.parametrize(
    ("number", "repeats", "kind"), [(3, True, TryAgain), (4, True, Bury)]
)
async def test_one_attempt_that_was_cut_short_is_made_up_for(
    bench: Bench, number: int, *, repeats: bool, kind: type[Settlement]
) -> None:
    with_action(bench)

    report = await bench.attempt(number=number, repeats=repeats)

    assert isinstance(settled(report, number), kind)
    assert len(bench.stage.runs) == 1


async def test_attempts_that_are_cut_short_for_ever_end_as_the_action_asks(
    bench: Bench,
) -> None:
    with_action(bench)

    report = await bench.attempt(number=5, repeats=True)

    assert report.reason_class is ReasonClass.CUT_SHORT
    assert bench.stage.runs == []


async def test_what_asks_for_one_attempt_is_repeated_once_after_a_cut(
    bench: Bench,
) -> None:
    with_action(bench, retry={"attempts": 1})

    report = await bench.attempt(number=2, repeats=True)

    assert len(bench.stage.runs) == 1
    assert isinstance(settled(report, 2), Bury)


def is_held(report: Report, reason: str) -> bool:
    outcome = report.outcome
    return (
        report.held
        and isinstance(outcome, Deferred)
        and not outcome.spends_attempt
        and outcome.reason.startswith(reason)
    )


def settled(
    report: Report, number: int, at: datetime = NOON + timedelta(seconds=1)
) -> Settlement:
    attempt = Attempt(number=number, ended_at=at, deadline=NOON + DAY, chance=0.5)
    return settle(report.outcome, attempt, report.schedule)
