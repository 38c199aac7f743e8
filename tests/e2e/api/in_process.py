"""In process: the application behind its real server, where a test can look inside."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx

from keyrelay.api.application import application
from keyrelay.api.authorization import Authorization
from keyrelay.api.counting import request_metrics
from keyrelay.api.listening import listening
from keyrelay.api.route import Route
from keyrelay.api.routes import ROUTES
from keyrelay.api.server import serve
from keyrelay.api.tries import FailedTries
from keyrelay.app.api import open_api
from keyrelay.app.settings import Settings
from tests.installed.home import Home


@asynccontextmanager
async def answering_here(
    home: Home, routes: Sequence[Route] = ROUTES
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the API of a home on a free port; yield what asks it."""
    settings = Settings(home=home.path, api="127.0.0.1:0", probes="off")
    found = listening(settings)
    assert found is not None
    metrics = request_metrics(routes)
    async with open_api(settings, metrics) as process:
        authorization = Authorization(
            authenticating=process.new_authenticating(),
            tries=FailedTries(clock=time.monotonic),
            metrics=metrics,
        )
        served = application(process, authorization, routes)
        async with (
            serve(served, found, asyncio.Event()) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            yield client
