"""The values of a dictionary's codes: as Arrow's own `take` gives them, by whichever way they are fetched."""

import pyarrow as pa
import pytest

from archiver.judge.batch_error import BatchError
from archiver.judge.columns import spelled_of

DICTIONARY = pa.array([f"item {number}" for number in range(100)], pa.string())


@pytest.mark.parametrize("dictionary", [DICTIONARY, DICTIONARY.slice(20)])
@pytest.mark.parametrize("used", [[], [0], [7, 79], list(range(80)), list(range(60)), list(range(0, 80, 3))])
def test_values_of_codes_are_those_that_take_gives(dictionary, used):
    taken = dictionary.take(pa.array(used, pa.int32())).to_pylist()
    assert [one.decode() for one in spelled_of(dictionary, used)] == taken


@pytest.mark.parametrize("used", [[-1], [100], [-1, *range(60)], [*range(60), 100]])
def test_a_code_outside_of_the_dictionary_is_refused_and_never_counted_from_the_end(used):
    with pytest.raises(BatchError, match="of their dictionary"):
        spelled_of(DICTIONARY, used)
