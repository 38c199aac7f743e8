"""Frame: what stands around every page: the rail, the token, the theme."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyrelay.console.given import Given
from keyrelay.console.own_api import OwnApi
from keyrelay.console.sentences import SENTENCES


@dataclass(frozen=True, slots=True)
class Screen:
    """One entry of the rail; `key` is what, after `g`, leads to it."""

    name: str
    path: str
    icon: str
    key: str


SCREENS = (
    Screen("Overview", "/", "gauge", "o"),
    Screen("Secrets", "/secrets", "key-round", "s"),
    Screen("Actions", "/actions", "zap", "a"),
    Screen("Access", "/access", "shield-check", "p"),
    Screen("Analyses", "/analyses", "square-terminal", "y"),
    Screen("Triggers", "/triggers", "radio", "t"),
    Screen("Dead letters", "/dead-letters", "mail-x", "d"),
    Screen("Audit", "/audit", "scroll-text", "u"),
    Screen("Tokens", "/tokens", "ticket", "k"),
)
# What a screen lists, where not every token may ask for it.
_ASKS = {"/tokens": "/tokens"}
_UNTOLD = "an operator token, added on the Overview, shows why"


async def frame_facts(
    api: OwnApi, query: Given, path: str, form_token: str, *, is_operator: bool
) -> Mapping[str, object]:
    """Return what the frame tells; why something is not ready, to an operator alone.

    Raises Unavailable.
    """
    readiness = api.process.observed.readiness
    await readiness.refresh()
    faults = readiness.faults()
    profile = await api.result("/info")
    return {
        "screens": [each for each in SCREENS if may_see(api, each)],
        "here": screen_at(path),
        "address": path,
        "profile": profile["name"],
        "token": api.caller.token,
        "form_token": form_token,
        "may": api.may,
        "said": SENTENCES.get(query.text("said")),
        "now": now_of(api),
        "faults": faults,
        "faults_told": _told(faults) if is_operator else _UNTOLD if faults else "",
    }


def may_see(api: OwnApi, screen: Screen) -> bool:
    """Tell whether the visitor's token sees anything of this screen."""
    asked = _ASKS.get(screen.path)
    return asked is None or api.may("GET", asked)


def _told(faults: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {faults[name]}" for name in sorted(faults))


def now_of(api: OwnApi) -> datetime:
    return api.process.store.audit_log.world.now()


def screen_at(path: str) -> Screen | None:
    """Return the screen that this path belongs to."""
    return next(
        (
            screen
            for screen in reversed(SCREENS)
            if path == screen.path or path.startswith(f"{screen.path}/")
        ),
        None,
    )
