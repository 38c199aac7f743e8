"""Analysis examples: scripts to begin with, in the languages that are run."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from keyrelay.model.uploaded_script import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A script; `title` is what it is written in."""

    title: str
    file_name: str
    text: str


_PYTHON = Example(
    title="Python",
    file_name="main.py",
    text="""\
from tagoio_sdk import Analysis
from tagoio_sdk.modules.Utils.envToJson import envToJson


def main(context, scope):
    environment = envToJson(context.environment)
    context.log(f"{len(scope)} data points came")
    # Secrets that policies release stand beside the variables; never print one.
    context.log("given: " + ", ".join(sorted(environment)))


Analysis.use(main)
""",
)
_NODE = Example(
    title="JavaScript",
    file_name="main.mjs",
    text="""\
import { Analysis, Utils } from "@tago-io/sdk";

Analysis.use((context, scope) => {
  const environment = Utils.envToJson(context.environment);
  context.log(`${scope.length} data points came`);
  // Secrets that policies release stand beside the variables; never print one.
  context.log(`given: ${Object.keys(environment).sort().join(", ")}`);
});
""",
)
EXAMPLES: Mapping[str, Example] = {Runtime.PYTHON: _PYTHON, Runtime.NODE: _NODE}


def example_upload(runtime: str) -> Mapping[str, str] | None:
    """Return the example as the API takes uploads; None, that runtime has none."""
    example = EXAMPLES.get(runtime)
    if example is None:
        return None
    file = base64.b64encode(example.text.encode()).decode()
    return {"file": file, "file_name": example.file_name, "language": runtime}
