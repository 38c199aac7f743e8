"""Histogram: the same numbers as those of prometheus_client's."""

from collections.abc import Sequence

import prometheus_client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from keyrelay.observability.histogram import Histogram

BOUNDS = (0.005, 0.1, 1, 60, 86400)
seconds = st.one_of(st.sampled_from(BOUNDS), st.floats(0, 1e6))


@given(st.lists(seconds))
def test_it_has_the_numbers_of_the_librarys_histogram(
    observed: Sequence[float],
) -> None:
    registry = CollectorRegistry()
    theirs = prometheus_client.Histogram(
        "seconds", "Theirs.", buckets=BOUNDS, registry=registry
    )
    ours = Histogram(BOUNDS)

    for each in observed:
        theirs.observe(each)
        ours.observe(each)

    read = {
        (sample.name, sample.labels.get("le")): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert ours.sum == read["seconds_sum", None]
    for bound, count in ours.buckets():
        assert count == read["seconds_bucket", bound]
    assert ours.buckets()[-1] == ("+Inf", len(observed))
