"""Consoles: lines in the console of an analysis, as its script would print them."""

import asyncio
from datetime import timedelta

from keyrelay.app.settings_loading import load_settings
from keyrelay.app.store import open_store
from keyrelay.model.console import ConsoleLine
from keyrelay.services.naming import find_definition, find_profile
from keyrelay.stores.definitions.stored_document import id_of
from tests.installed.home import Home
from tests.samples import NOON


def print_lines(home: Home, analysis: str, *texts: str) -> None:
    """Add lines to the console of an analysis, by its name."""
    asyncio.run(_print_lines(home, analysis, texts))


async def _print_lines(home: Home, analysis: str, texts: tuple[str, ...]) -> None:
    settings = load_settings(None, {"home": home.path})
    lines = [
        ConsoleLine(at=NOON + timedelta(milliseconds=n), text=text)
        for n, text in enumerate(texts)
    ]
    async with open_store(settings) as store:
        profile = (await find_profile(store.database, settings.profile)).id
        documents = store.definitions.analyses.documents
        id_ = id_of(await find_definition(documents, profile, analysis))
        assert await store.consoles.append(profile, id_, lines)
