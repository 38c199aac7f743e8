"""Triggers: documents good, odd and refused, for whatever reads or describes them."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from keyrelay.model.data_point import MOST_POINTS
from tests.samples import MAIL_ACTION, OTHER_PROFILE, PROFILE

SMALLEST = {"action": MAIL_ACTION}

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXTS = st.none() | st.text(min_size=1, max_size=40)
INSTANTS = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
POINTS = st.fixed_dictionaries(
    {},
    optional={
        "variable": TEXTS,
        "value": st.none() | st.booleans() | NUMBERS | st.text(),
        "unit": TEXTS,
        "device": TEXTS,
        "device_name": TEXTS,
        "time": st.none() | INSTANTS,
        "location": st.none() | st.fixed_dictionaries({"lat": NUMBERS, "lng": NUMBERS}),
        "metadata": JSON,
    },
)
GOOD = st.fixed_dictionaries(
    {"action": st.just(MAIL_ACTION)},
    optional={
        "id": st.none()
        | st.from_regex(r"[a-z0-9_-]{1,9}(\.[A-Z]{1,9})?", fullmatch=True),
        "profile": st.sampled_from([None, PROFILE]),
        "data": st.none() | POINTS | st.lists(POINTS, max_size=4),
        "key": TEXTS,
        "raised_at": st.none() | st.just("2030-01-01T13:00:00+01:00"),
        "deadline": st.none() | st.just("2030-01-01T12:00:00Z"),
    },
)
# Good fields and bad ones, so that each check is reached and each is failed.
ODD = st.fixed_dictionaries(
    {"action": st.just(MAIL_ACTION) | JSON},
    optional={
        "id": JSON,
        "profile": JSON,
        "data": JSON | st.lists(POINTS | st.fixed_dictionaries({"location": JSON})),
        "key": JSON,
        "raised_at": INSTANTS | JSON,
        "deadline": INSTANTS | JSON,
        "x": JSON,
    },
)
REFUSED: list[tuple[str, object, str]] = [
    ("action", None, "names its action"),
    ("action", 1, "names its action"),
    ("action", "tell", "names its action"),
    ("id", "", "a trigger's id"),
    ("id", 1, "a trigger's id"),
    ("id", "a" * 65, "a trigger's id"),
    ("id", "a b", "a trigger's id"),
    ("id", "a\n", "a trigger's id"),
    ("id", "<a@b>", "a trigger's id"),
    ("id", ".a", "a trigger's id"),
    ("id", "a..b", "a trigger's id"),
    ("id", "é", "a trigger's id"),
    ("profile", OTHER_PROFILE, "another profile"),
    ("profile", "acme", "names its profile"),
    ("profile", 1, "names its profile"),
    ("key", "", "a trigger's key"),
    ("key", "k" * 129, "a trigger's key"),
    ("key", 1, "a trigger's key"),
    ("data", "text", "data must be a list"),
    ("data", [1], "a data point must be an object"),
    ("data", [{}] * (MOST_POINTS + 1), "data must have at most"),
    ("data", {"variable": 1}, "a data point's variable"),
    ("data", {"unit": ""}, "a data point's unit"),
    ("data", {"device": "d" * 1001}, "a data point's device"),
    ("data", {"value": []}, "a data point's value"),
    ("data", {"value": {}}, "a data point's value"),
    ("data", {"time": 1}, "a data point's time"),
    ("data", {"location": []}, "location must be an object"),
    ("data", {"location": {}}, "a location has"),
    ("data", {"location": {"lat": 1}}, "a location has"),
    ("data", {"location": {"lat": True, "lng": 1}}, "a location has"),
    ("data", {"location": {"lat": 1, "lng": "1"}}, "a location has"),
    ("data", {"location": {"coordinates": [1]}}, "a location has"),
    ("data", {"location": {"coordinates": [[1, 2], [3, 4]]}}, "a location has"),
    ("data", {"location": {"coordinates": [1, None]}}, "a location has"),
    ("raised_at", "noon", "raised_at must be a time"),
    ("raised_at", 1893499200, "raised_at must be a string"),
    ("raised_at", "2030-01-01T12:00:00", "raised_at must be a time"),
    ("raised_at", "2030-01-01", "raised_at must be a time"),
    ("raised_at", "20261123T060000Z", "raised_at must be a time"),
    ("raised_at", "2026-11-23T06:00Z", "raised_at must be a time"),
    ("raised_at", "2026-W48-1T06:00:00Z", "raised_at must be a time"),
    ("raised_at", "2026-11-23T24:00:00Z", "raised_at must be a time"),
    ("raised_at", "2026-02-29T00:00:00Z", "raised_at must be a time"),
    ("raised_at", "1900-02-29T00:00:00Z", "raised_at must be a time"),
    ("raised_at", "0000-01-01T00:00:00Z", "raised_at must be a time"),
    ("raised_at", "2026-11-23T06:00:00Z\n", "raised_at must be a time"),
    ("raised_at", "2026-11-23T06:00:0٣Z", "raised_at must be a time"),
    ("deadline", "x" * 41, "deadline must have 1 to 40 characters"),
    ("deadlin", "2030-01-01T12:00:00Z", "a trigger has no field 'deadlin'"),
]
