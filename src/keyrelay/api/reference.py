"""Reference: the OpenAPI document as a page, which loads nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from starlette.responses import HTMLResponse, Response

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; }
details { border: 1px solid #8886; border-radius: .4rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .8rem; }
details > div { padding: 0 .8rem .8rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
pre { overflow-x: auto; background: #8882; border-radius: .3rem; padding: .5rem; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .15rem 1rem .15rem 0; }
.method { display: inline-block; font-weight: 600; min-width: 4.5rem; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)

Part = Mapping[str, object]


def reference_page(document: Part) -> Response:
    """Return the page of an OpenAPI document."""
    info = _part(document, "info")
    body = "".join(
        (
            f"<h1>{escape(str(info['title']))} API</h1>",
            f"<p>Version {escape(str(info['version']))}.",
            f" {escape(str(info['description']))}</p>",
            '<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
            *_operations(document),
            "<h2>Schemas</h2>",
            *_schemas(document),
        )
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Keyrelay API</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _operations(document: Part) -> Iterator[str]:
    noun = None
    for path, methods in _part(document, "paths").items():
        first = path.split("/")[1]
        if first != noun:
            noun = first
            yield f"<h2>{escape(noun)}</h2>"
        assert isinstance(methods, dict)
        for method, operation in methods.items():
            yield _operation(path, method, operation)


def _operation(path: str, method: str, operation: Part) -> str:
    parameters = operation.get("parameters", [])
    assert isinstance(parameters, list)
    return (
        f'<details><summary><span class="method">{escape(method.upper())}</span>'
        f" <code>{escape(path)}</code> {escape(str(operation['summary']))}</summary>"
        f"<div><p>{escape(str(operation['description']))}</p>"
        f"{_table(parameters)}{_content('Body', operation.get('requestBody'))}"
        f"{_answers(operation)}</div></details>"
    )


def _table(parameters: Iterable[Part]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(str(each['name']))}</code></td>"
        f"<td>{escape(str(each['in']))}</td>"
        f"<td>{escape(str(each.get('description', '')))}</td></tr>"
        for each in parameters
    )
    head = "<tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else ""


def _answers(operation: Part) -> str:
    return "".join(
        _content(f"Answer {code}", answer)
        for code, answer in _part(operation, "responses").items()
    )


def _content(title: str, part: object) -> str:
    if not isinstance(part, dict):
        return ""
    shown = _json(part.get("content", {}))
    return f"<p>{escape(title)}</p><pre>{shown}</pre>"


def _schemas(document: Part) -> Iterator[str]:
    for name, schema in _part(_part(document, "components"), "schemas").items():
        shown = f"<div><pre>{_json(schema)}</pre></div>"
        yield f"<details><summary>{escape(name)}</summary>{shown}</details>"


def _part(whole: Part, name: str) -> Mapping[str, object]:
    part = whole[name]
    assert isinstance(part, Mapping)
    return part


def _json(value: object) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))
