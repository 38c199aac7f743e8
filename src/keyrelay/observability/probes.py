"""Probes: a process's answers to /metrics, /healthz and /readyz, and to nothing else.

/healthz answers 200 while the event loop runs, for only a blocked loop is mended by a
restart: a lane that dies ends the process by itself, and when a database comes back, a
waiting worker resumes sooner than a starting one. /readyz answers 200 or 503: whether
work can go on now, with the reason for each part that is not ready.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from errno import EADDRINUSE

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from keyrelay.observability.readiness import Readiness
from keyrelay.ports import Unavailable

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

OFF = "off"
_STOPPING = "it stops; what was begun is finished, nothing more is begun"
_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Once `stop` is set, /readyz says that the process is stopping.

    `process` is its part in what /readyz answers.
    """

    registry: CollectorRegistry
    readiness: Readiness
    stop: asyncio.Event
    process: str = "worker"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer GET and HEAD on the three paths; 404 and 405 for all else."""
        if request.path not in ("/metrics", "/healthz", "/readyz"):
            return _response(404, {"error": "there are /metrics, /healthz and /readyz"})
        if request.method not in _METHODS:
            refused = _response(405, {"error": "only GET and HEAD are answered"})
            refused.headers["Allow"] = ", ".join(_METHODS)
            return refused
        match request.path:
            case "/healthz":
                return _response(200, {"alive": True})
            case "/readyz":
                return await self._ready()
            case _:
                return await self._metrics(request)

    async def _ready(self) -> web.Response:
        await self.readiness.refresh()
        states = dict.fromkeys((self.process, *self.readiness.components), "ready")
        states |= self.readiness.faults()
        if self.stop.is_set():
            states[self.process] = _STOPPING
        ready = set(states.values()) == {"ready"}
        return _response(200 if ready else 503, {"ready": ready, "parts": states})

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        await self.readiness.refresh()
        return await make_aiohttp_handler(self.registry)(request)


@asynccontextmanager
async def open_probes(
    address: str, probes: Probes, *, chosen: bool
) -> AsyncIterator[str]:
    """Answer at the `address`, `host:port` or `off`; yield where that is, or `off`.

    Raises Unavailable if an address that the operator has `chosen` cannot be bound.
    The default one may be in use by another process; then this one has no probes.
    """
    runner = None
    try:
        runner = await _started(address, probes)
    except Unavailable as fault:
        if chosen:
            raise
        log.warning("probes are off", reason=str(fault))
    try:
        yield OFF if runner is None else _bound_to(runner)
    finally:
        if runner is not None:
            await runner.cleanup()
        await probes.readiness.close()


async def _started(address: str, probes: Probes) -> web.AppRunner | None:
    if address == OFF:
        return None
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", probes.answer)
    app.on_response_prepare.append(_hide_versions)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    except OSError as error:
        await runner.cleanup()
        why = "it is taken" if error.errno == EADDRINUSE else error.strerror
        raise Unavailable(
            f"/metrics, /healthz and /readyz cannot be served at {address}: {why};"
            " name another address in the setting `probes` (KEYRELAY_PROBES), or `off`"
        ) from None
    return runner


async def _hide_versions(_: web.Request, response: web.StreamResponse) -> None:
    # aiohttp would send its own and Python's version.
    response.headers["Server"] = "keyrelay"
    response.headers["Cache-Control"] = "no-store"


def _bound_to(runner: web.AppRunner) -> str:
    host, port, *_ = runner.addresses[0]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _response(status: int, document: Mapping[str, object]) -> web.Response:
    return web.json_response(document, status=status)
