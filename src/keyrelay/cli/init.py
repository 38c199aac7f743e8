"""`keyrelay init`: the first set-up, and further profiles."""

import json
from dataclasses import replace
from typing import Annotated

import typer

from keyrelay.app.founding import Founding, initialise
from keyrelay.app.settings import Settings
from keyrelay.cli.options import AsJson, GlobalOptions
from keyrelay.cli.output import put, say
from keyrelay.cli.session import actor, run, settings_of
from keyrelay.stores.installation import Profile

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="""\b
Examples:
  keyrelay init
  keyrelay init --profile north      another profile, which shares nothing
  keyrelay init --no-token           where the output is kept, as in a log

A profile that is made gets a token for the API, with all rights in it. It is printed
this once; `keyrelay token` makes and revokes others."""
)
def init(
    ctx: typer.Context,
    *,
    profile: Annotated[
        str | None, typer.Option(help="Profile to make, if it is not there.")
    ] = None,
    no_token: Annotated[
        bool,
        typer.Option("--no-token", help="Make and print no token for a new profile."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set up data directory, database, keys and profile; what is there stays."""
    options = ctx.find_object(GlobalOptions)
    if options is not None and profile is not None:
        ctx.obj = replace(options, profile=profile)
    settings = settings_of(ctx)
    founding = run(initialise(settings, actor(), first_token=not no_token))
    if as_json:
        put(json.dumps(_document(founding)))
        return
    _tell(founding, settings)


def _tell(founding: Founding, settings: Settings) -> None:
    named = f"profile {founding.profile.name} ({founding.profile.id})"
    if founding.founded:
        put(f"Keyrelay is set up in {settings.home}, with the {named}.")
    elif founding.profile_created:
        put(f"The {named} is there now.")
    else:
        put(f"Keyrelay is set up already in {settings.home}, with the {named}.")
    _tell_token(founding)
    if settings.is_log:
        _say_how_producers_name_it(settings.queue_url, founding.profile)
    if founding.key_file is not None:
        say(
            f"The key that all secrets are sealed with: {founding.key_file}\n"
            "Back it up now, apart from the database: without it no secret opens."
        )


def _tell_token(founding: Founding) -> None:
    if founding.token is None:
        return
    put(f"The first token of the profile, with all rights: {founding.token.reveal()}")
    say("It is shown this once: keep it, or revoke it (`keyrelay token revoke first`).")


def _say_how_producers_name_it(queue: str, profile: Profile) -> None:
    if "profile=" in queue:
        return
    mark = "&" if "?" in queue else "?"
    say(
        "For this profile alone, so that triggers need not name it:"
        f" KEYRELAY_QUEUE={queue}{mark}profile={profile.name}\n"
        f'Without, each trigger names it: {{"profile": "{profile.id}", …}}'
    )


def _document(founding: Founding) -> dict[str, object]:
    return {
        "founded": founding.founded,
        "key_file": founding.key_file and str(founding.key_file),
        "profile": {"id": founding.profile.id, "name": founding.profile.name},
        "profile_created": founding.profile_created,
        "token": founding.token and founding.token.reveal(),
    }
