"""Settings loading: the settings in force, from flags, environment and file.

Flags override `KEYRELAY_*`, which override the TOML file; unknown keys are an error.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from keyrelay.app.settings import PREFIX, InvalidSettings, Settings
from keyrelay.app.settings_file import misfits, toml_flaw
from keyrelay.model.documents import InvalidDefinition

_CONFIG, _OF_TESTS = f"{PREFIX}CONFIG", f"{PREFIX}TEST_"


def load_settings(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """Return the settings in force, or raise InvalidSettings.

    `config` names the TOML file; None, `keyrelay.toml` in the data directory is
    read if it is there. `flags` hold only what was given on the command line.
    """
    _refuse_unknown_variables()
    file = config or _home(flags) / "keyrelay.toml"
    if config is not None and not config.is_file():
        raise InvalidSettings(f"there is no settings file {config}")

    for name, wanted in misfits(file, Settings.model_fields):
        if wanted is None:  # pydantic would pass over one in upper case
            raise InvalidSettings(f"there is no setting {name}; see the README's list")
        raise InvalidSettings(f"setting {name}: {file} needs {wanted} there")

    class Sourced(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return Sourced.model_validate(dict(flags))
    except ValidationError as error:
        sentence = _sentence(error, file)
    except InvalidDefinition as error:
        sentence = str(error)
    raise InvalidSettings(sentence)


def _sentence(error: ValidationError, file: Path) -> str:
    fault = error.errors(include_input=False, include_url=False)[0]
    if not fault["loc"]:  # the file as a whole, and no setting
        return f"{file} is not valid TOML: {toml_flaw(file)}"
    if fault["loc"][0] == "kafka_mechanism":
        return (
            "setting kafka_mechanism: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are"
            " spoken, and no others: neither GSSAPI (Kerberos) nor OAUTHBEARER"
        )
    return f"setting {fault['loc'][0]}: {fault['msg'].removeprefix('Value error, ')}"


def _home(flags: Mapping[str, object]) -> Path:
    home = flags.get("home") or os.environ.get("KEYRELAY_HOME")
    return Path(str(home or Settings.model_fields["home"].default)).expanduser()


def _refuse_unknown_variables() -> None:
    known = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
    for name in sorted(os.environ):
        if name in known or name == _CONFIG or name.startswith(_OF_TESTS):
            continue
        if name.upper() in {*known, _CONFIG}:
            raise InvalidSettings(f"the variable {name} is written {name.upper()}")
        if name.upper().startswith(PREFIX):
            raise InvalidSettings(f"there is no setting {name}; see the README's list")
