"""Charts: quantiles that were measured, and no number where nothing was."""

from hypothesis import given
from hypothesis import strategies as st

from keyrelay.console.charts import quantile

SECONDS = st.lists(st.floats(0, 1000), min_size=1, max_size=200)


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile([], 0.5) is None


@given(SECONDS, st.sampled_from([0.5, 0.99]))
def test_a_quantile_is_a_value_that_its_part_of_all_is_not_above(
    values: list[float], part: float
) -> None:
    found = quantile(values, part)

    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) >= part * len(values)
    assert sum(value < found for value in values) < part * len(values)
