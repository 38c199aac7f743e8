"""Installation: facts of all of it, and metrics, for its operators alone."""

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import Response

from keyrelay import __version__
from keyrelay.api.described import TEXT, described, failures, named
from keyrelay.api.installation_gauges import InstallationGauges
from keyrelay.api.parameters import parse_parameters
from keyrelay.api.rights import Right
from keyrelay.api.route import Answer, Asked, Route
from keyrelay.app.api import ApiProcess
from keyrelay.model.instant import wire_instant
from keyrelay.ports import Unavailable
from keyrelay.services.installation_status import installation_document


async def show_installation(asked: Asked) -> Answer:
    parse_parameters(asked.query, ())
    process = asked.process
    await process.observed.readiness.refresh()
    status = await process.inspection.status()
    now = process.store.audit_log.world.now()
    facts = installation_document(status, now)
    return Answer(result={"process": _process(process), **facts})


async def show_metrics(asked: Asked) -> Response:
    """Answer this process's own, then the installation's, while it can be read."""
    process = asked.process
    await process.observed.readiness.refresh()
    told = [generate_latest(process.observed.registry)]
    try:
        status = await process.inspection.status()
    except Unavailable:
        pass  # nothing is reported, rather than old numbers
    else:
        now = process.store.audit_log.world.now()
        registry = CollectorRegistry()
        registry.register(InstallationGauges(status=status, now=now))
        told.append(generate_latest(registry))
    return Response(b"".join(told), media_type=CONTENT_TYPE_LATEST)


def _process(process: ApiProcess) -> Mapping[str, object]:
    """Return what is told of the process that answers."""
    observed, now = process.observed, process.store.audit_log.world.now()
    faults = observed.readiness.faults()
    return {
        "version": __version__,
        "started_at": wire_instant(observed.started_at),
        "uptime_seconds": (now - observed.started_at).total_seconds(),
        "not_ready": {name: faults[name] for name in sorted(faults)},
    }


ROUTES = (
    Route(
        method="GET",
        path="/installation",
        right=Right.OPERATE,
        answer=show_installation,
        described=described("Show facts of the whole installation", {"type": "object"}),
    ),
    Route(
        method="GET",
        path="/metrics",
        right=Right.OPERATE,
        answer=show_metrics,
        described={
            "summary": "Show metrics, for Prometheus to collect",
            "responses": {
                "200": {
                    "description": "Done.",
                    "content": {"text/plain": {"schema": TEXT}},
                },
                **failures("Not done; the message says why.", named("Failure")),
            },
        },
    ),
)
