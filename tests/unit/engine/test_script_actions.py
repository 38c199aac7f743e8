"""Actions of type `script`: a run of each analysis, kept before they are settled."""

from dataclasses import dataclass, field, replace

import pytest

from keyrelay.engine.breaker import Breaker
from keyrelay.engine.circuits import Circuits
from keyrelay.engine.pipeline import Pipeline
from keyrelay.model.analysis import ScriptedAnalysis, Variable, parse_analysis
from keyrelay.model.audit import Evidence, Report
from keyrelay.model.catalog import Catalog
from keyrelay.model.data_point import DataPoint
from keyrelay.model.outcome import Delivered, Fault, Part, ReasonClass, Rejected
from keyrelay.model.revision import Revision
from keyrelay.model.run import RunOrigin
from keyrelay.model.templates import Fact
from keyrelay.model.trigger import Trigger
from keyrelay.model.uploaded_script import Runtime, ScriptDraft
from keyrelay.ports import Unavailable
from tests.fakes import (
    Clock,
    FakeLease,
    FakeRuns,
    FakeVault,
    admitting,
    performers,
    stay,
)
from tests.samples import ACTIONS, ANALYSIS, NOON, PROFILE, a_catalog, a_trigger

POINT = DataPoint({Fact.VARIABLE: "temperature", Fact.VALUE: 21}, {"value": 21})
SCRIPT_ACTION = "1" * 24
OTHER_ANALYSIS = "2" * 24


@dataclass
class Bench:
    """A pipeline, and the runs that were kept through it."""

    catalog: Catalog
    vault: FakeVault = field(default_factory=lambda: FakeVault({}))
    runs: FakeRuns = field(default_factory=FakeRuns)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        clock = Clock(time=NOON)
        circuits = Circuits(now=clock.now, wake=lambda _: None)
        breaker = Breaker(slow_limit=2, circuits=circuits, told=lambda _: None)
        self.pipeline = Pipeline(
            catalog=self._catalog_now,
            vault=self.vault,
            performers=performers({}, self.runs),
            breaker=breaker,
            admit=admitting(breaker),
            now=clock.now,
        )

    async def _catalog_now(self, _: Revision | None) -> Catalog:
        return self.catalog

    async def attempt(self, trigger: Trigger, *, number: int = 1) -> Report:
        lease = FakeLease(trigger=trigger, number=number)
        return await self.pipeline.attempt(lease, stay)


def analysis(id_: str = ANALYSIS, **fields: object) -> ScriptedAnalysis:
    document = {"name": f"count {id_[0]}", **fields}
    version = ScriptDraft(
        file_name="main.py", language=Runtime.PYTHON, content=b"print()"
    ).as_version(1, NOON)
    return ScriptedAnalysis(
        analysis=parse_analysis(document, id_, PROFILE), versions=(version,), version=1
    )


def with_script(*analyses: ScriptedAnalysis, **fields: object) -> Catalog:
    """Return the catalog with an action that runs two analyses, of which these are."""
    does = {"type": "script", "script": [ANALYSIS, OTHER_ANALYSIS]}
    document = {"name": "Run", "type": "resource", "action": does, **fields}
    action = ACTIONS.parse(document, SCRIPT_ACTION, PROFILE)
    there = {(PROFILE, each.analysis.tagged.id): each for each in analyses}
    return replace(a_catalog(action), analyses=there, policies={})


async def test_an_action_of_type_script_keeps_a_run_of_each_analysis() -> None:
    bench = Bench(catalog=with_script(analysis(), analysis(OTHER_ANALYSIS)))
    point = DataPoint({Fact.DEVICE: "d1"}, {"value": 21, "device": "d1"})
    trigger = a_trigger(point, action=SCRIPT_ACTION)

    report = await bench.attempt(trigger)

    assert [each.analysis for each in bench.runs.kept.values()] == [
        ANALYSIS,
        OTHER_ANALYSIS,
    ]
    run = next(iter(bench.runs.kept.values()))
    assert run.scope == '[{"value":21,"device":"d1"}]'
    assert (run.cause.action, run.cause.trigger) == (SCRIPT_ACTION, "t1")
    assert run.cause.origin is RunOrigin.ACTION
    assert run.cause.deadline == trigger.lifetime.deadline
    assert run.cause.variables == (
        Variable("_action_id", SCRIPT_ACTION),
        Variable("_action_type", "resource"),
        Variable("_action_state", "unlocked"),
        Variable("_device_id", "d1"),
    )
    assert isinstance(report.outcome, Delivered)
    assert report.outcome.parts == tuple(
        Part(each.analysis, f"run {each.id} kept", settled=True)
        for each in bench.runs.kept.values()
    )
    assert report.evidence == Evidence(channel="script")
    assert bench.vault.permits == []


async def test_a_script_action_that_is_attempted_again_finds_the_same_runs() -> None:
    bench = Bench(catalog=with_script(analysis(), analysis(OTHER_ANALYSIS)))
    trigger = a_trigger(POINT, action=SCRIPT_ACTION)

    first = await bench.attempt(trigger)
    second = await bench.attempt(trigger, number=2)

    assert first == second
    assert len(bench.runs.kept) == 2


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([], f"there is no analysis {OTHER_ANALYSIS}"),
        ([analysis(OTHER_ANALYSIS, active=False)], "analysis 'count 2' is inactive"),
        (
            [replace(analysis(OTHER_ANALYSIS), version=None)],
            "analysis 'count 2' has no script: upload one before it is run",
        ),
    ],
    ids=["absent", "inactive", "without a script"],
)
async def test_of_a_script_action_what_cannot_be_run_is_refused_and_the_rest_runs(
    others: list[ScriptedAnalysis], reason: str
) -> None:
    bench = Bench(catalog=with_script(analysis(), *others))

    report = await bench.attempt(a_trigger(POINT, action=SCRIPT_ACTION))

    (run,) = bench.runs.kept.values()
    assert report.outcome == Rejected(
        reason,
        Fault.DEFINITION,
        parts=(
            Part(ANALYSIS, f"run {run.id} kept", settled=True),
            Part(OTHER_ANALYSIS, reason, settled=False),
        ),
        why=ReasonClass.NO_DEFINITION,
    )


async def test_a_redriven_script_action_runs_only_what_is_not_done() -> None:
    bench = Bench(catalog=with_script(analysis(), analysis(OTHER_ANALYSIS)))
    lease = FakeLease(
        trigger=a_trigger(POINT, action=SCRIPT_ACTION), done=frozenset({ANALYSIS})
    )

    report = await bench.pipeline.attempt(lease, stay)

    assert isinstance(report.outcome, Delivered)
    assert [each.analysis for each in bench.runs.kept.values()] == [OTHER_ANALYSIS]


async def test_while_no_run_can_be_kept_the_attempt_is_not_made() -> None:
    bench = Bench(catalog=with_script(analysis(), analysis(OTHER_ANALYSIS)))
    bench.runs.broken = Unavailable("down")

    with pytest.raises(Unavailable):
        await bench.attempt(a_trigger(POINT, action=SCRIPT_ACTION))


async def test_a_trigger_with_more_data_than_a_script_takes_is_refused() -> None:
    bench = Bench(catalog=with_script(analysis(), analysis(OTHER_ANALYSIS)))
    large = DataPoint({}, {"value": "x" * 130_000})

    report = await bench.attempt(a_trigger(large, action=SCRIPT_ACTION))

    assert isinstance(report.outcome, Rejected)
    assert report.outcome.fault is Fault.TRIGGER
    assert bench.runs.kept == {}


async def test_a_trigger_cannot_name_an_analysis_in_place_of_an_action() -> None:
    bench = Bench(catalog=with_script(analysis()))

    report = await bench.attempt(a_trigger(POINT, action=ANALYSIS))

    assert report.outcome == Rejected(
        f"there is no action {ANALYSIS}",
        Fault.DEFINITION,
        why=ReasonClass.NO_DEFINITION,
    )
    assert bench.runs.kept == {}
