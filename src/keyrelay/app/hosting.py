"""Hosting: what scripts run with on this machine, as the settings say."""

import asyncio
import ssl
from datetime import timedelta
from urllib.parse import urlsplit

from keyrelay.app.runtimes import interpreters
from keyrelay.app.settings import InvalidSettings, Settings
from keyrelay.dispatchers.script.forwarding import Dial
from keyrelay.dispatchers.script.hosting import Hosts
from keyrelay.dispatchers.script.interpreter import Interpreter, Language, python
from keyrelay.dispatchers.script.limits import ScriptLimits
from keyrelay.dispatchers.script.process import ScriptHost
from keyrelay.dispatchers.script.sandbox import API_PORT, ScriptNetwork
from keyrelay.dispatchers.script.wall import NoWall, find_wall
from keyrelay.network.tls import UnreadableCertificates, system_context


async def find_hosts(settings: Settings) -> Hosts:
    """Try the wall of each interpreter; say of those that have none why.

    Raises InvalidSettings.
    """
    seconds = timedelta(seconds=settings.script_seconds)
    network = ScriptNetwork(settings.script_network)
    found, refusals = dict[Language, ScriptHost](), dict[Language, str]()
    known = dict[Language, Interpreter]()
    dial, here = _dial(settings), interpreters(settings)
    for language in Language:
        interpreter = here.get(language)
        if interpreter is None:
            refusals[language] = f"there is no `{language}` in PATH: install it"
            continue
        try:
            wall = await asyncio.to_thread(find_wall, interpreter, python())
        except NoWall as fact:
            refusals[language] = str(fact)
        else:
            known[language] = interpreter
            found[language] = ScriptHost(wall=wall, network=network, dial=dial)
    return Hosts(
        interpreters=known,
        hosts=found,
        refusals=refusals,
        limits=ScriptLimits(wall=seconds, cpu=seconds),
        api=_api(settings, network),
    )


def _api(settings: Settings, network: ScriptNetwork) -> str:
    """Return where a script reaches our API."""
    if network is ScriptNetwork.HOST:
        return settings.public_url
    return f"http://localhost:{API_PORT}{urlsplit(settings.public_url).path}"


def _dial(settings: Settings) -> Dial:
    """Return what connects to our API; where that speaks TLS, it is verified here.

    The script itself speaks to the loopback of its sandbox, which nothing else is in.
    """
    url = urlsplit(settings.public_url)
    context = _context(settings) if url.scheme == "https" else None
    host = url.hostname or ""
    port = url.port or (443 if context else 80)

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(host, port, ssl=context)

    return dial


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        return system_context(settings.api_ca_file)
    except UnreadableCertificates as fault:
        raise InvalidSettings(f"setting api_ca_file: {fault}") from None
