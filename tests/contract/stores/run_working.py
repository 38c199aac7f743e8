"""Run working: a worker that performs the runs of a house at a stage."""

from keyrelay.engine.conclusion import Conclusion
from keyrelay.engine.releasing import Releasing
from keyrelay.engine.run_pipeline import RUNS, RunPipeline
from keyrelay.engine.worker import Worker
from keyrelay.model.catalog import Catalog
from keyrelay.model.revision import Revision
from keyrelay.ports import RunStage
from keyrelay.stores.audit.log import group_commits
from keyrelay.stores.runs.queue import RunQueue
from keyrelay.stores.runs.records import RunLetters, RunRecords
from tests.contract.stores.house import House


def worker_of(house: House, queue: RunQueue, stage: RunStage) -> Worker:
    """Return one with a single lane, by the catalog as it was read last."""
    world, audit = house.audit_log.world, group_commits(house.audit_log)

    async def current(_: Revision | None) -> Catalog:
        return house.catalog.current()

    pipeline = RunPipeline(
        catalog=current,
        order=RunRecords(database=house.database, world=world).order,
        releasing=Releasing(vault=house.audit_log.vault, audit=audit, world=world),
        stage=stage,
        schedule=RUNS,
        now=world.now,
    )
    conclusion = Conclusion(audit=audit, dead_letters=RunLetters(), world=world)
    return Worker(
        queue=queue,
        attempt=pipeline.attempt,
        conclusion=conclusion,
        lanes=1,
        world=world,
    )
