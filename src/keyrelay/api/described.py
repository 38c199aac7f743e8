"""Described: the parts of OpenAPI that routes describe themselves with.

OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.0. Schemas that have a name stand in
api/schemas.py.
"""

from collections.abc import Mapping, Sequence

from keyrelay.api.parameters import LISTED, LONGEST_PARAMETER
from keyrelay.api.parameters import MOST_LISTED as MOST_OF_OURS
from keyrelay.api.query import QueryRules
from keyrelay.stores.definitions.listing import MOST_LISTED

Part = Mapping[str, object]

TEXT: Part = {"type": "string"}
COUNT: Part = {"type": "integer", "minimum": 1}
FILTER: Part = {"type": "string", "minLength": 1, "maxLength": LONGEST_PARAMETER}
INSTANT: Part = {"type": "string", "format": "date-time"}
_FILTERS: Mapping[str, Part] = {"since": INSTANT, "until": INSTANT}
SUCCESS = "200"


def described(
    summary: str,
    result: Part,
    *,
    parameters: Sequence[Part] = (),
    body: Part | None = None,
    status: str = SUCCESS,
) -> Part:
    """Return an operation; what it answers stands in the envelope as `result`."""
    taken = {} if body is None else {"requestBody": json_body(body)}
    asked = {"parameters": [*parameters]} if parameters else {}
    responses = {
        status: {"description": "Done.", "content": as_json(enveloped(result))},
        **failures("Not done; the message says why.", named("Failure")),
    }
    return {"summary": summary, **asked, **taken, "responses": responses}


def failures(description: str, schema: Part) -> Part:
    """Return all answers but successes: what to change, and what is asked again later.

    No other status is answered, unless by a mistake of Keyrelay's own.
    """
    content = as_json(schema)
    return {
        "4XX": {"description": description, "content": content},
        "503": {"description": "Not now; ask again later.", "content": content},
    }


def named(schema: str) -> Part:
    return {"$ref": f"#/components/schemas/{schema}"}


def list_of(schema: Part) -> Part:
    return {"type": "array", "items": schema}


def object_of(properties: Mapping[str, Part], *required: str) -> Part:
    """Return the schema of an object that has no other properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


def enveloped(result: Part) -> Part:
    done: Part = {"const": True}
    properties = {"status": done, "result": result, "message": TEXT}
    return object_of(properties, "status", "result")


def json_body(schema: Part) -> Part:
    return {"required": True, "content": as_json(schema)}


def as_json(schema: Part) -> Part:
    return {"application/json": {"schema": schema}}


def path_id(what: str) -> Part:
    return in_path("id", TEXT, what)


def in_path(name: str, schema: Part, description: str) -> Part:
    return {**_parameter(name, schema, description), "in": "path", "required": True}


IF_MATCH: Part = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of the state that is to be changed; left out, any.",
    "schema": TEXT,
}


def in_query(name: str, schema: Part, description: str) -> Part:
    return {**_parameter(name, schema, description), "in": "query"}


def asked_for(name: str, schema: Part, description: str) -> Part:
    """Return a parameter of the query that must be given."""
    return {**in_query(name, schema, description), "required": True}


def _parameter(name: str, schema: Part, description: str) -> Part:
    return {"name": name, "description": description, "schema": schema}


AFTER = in_query("after", FILTER, "The `next` of the page before.")
AMOUNT = in_query(
    "amount",
    {**COUNT, "maximum": MOST_OF_OURS, "default": LISTED},
    "How many a page has.",
)


def filters(of: Mapping[str, str]) -> Sequence[Part]:
    """Return the parameters of one of our own lists, by what each narrows it to."""
    return [
        in_query(name, _FILTERS.get(name, FILTER), what) for name, what in of.items()
    ]


def going_on(of: Mapping[str, str]) -> Sequence[Part]:
    """Return the same, and those by which the list goes on after a page."""
    return [*filters(of), AFTER, AMOUNT]


def paging(rules: QueryRules) -> Sequence[Part]:
    """Return the parameters of a list with page and amount, as the SDKs send them."""
    orders = [f"{order},{way}" for order in rules.orders for way in ("asc", "desc")]
    return [
        in_query("page", {**COUNT, "default": 1}, "Which page, from 1."),
        in_query(
            "amount",
            {**COUNT, "maximum": MOST_LISTED, "default": 20},
            "How many a page has.",
        ),
        in_query(
            "fields",
            list_of(TEXT),
            f"Of {', '.join(rules.fields)}; unknown ones are left out.",
        ),
        in_query("orderBy", {"enum": orders}, "The order, and which way."),
        *(
            in_query(f"filter[{name}]", FILTER, f"Only those with this {name}.")
            for name in rules.filters
            if name != "tags"
        ),
    ]
