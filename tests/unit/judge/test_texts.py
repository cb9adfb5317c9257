"""The texts of a dictionary's codes: as Arrow's own `take` gives them, by whichever way they are fetched."""

import pyarrow as pa
import pytest

from archiver.judge.batches import _texts

DICTIONARY = pa.array([f"item {number}" for number in range(100)], pa.large_string())


@pytest.mark.parametrize("used", [[], [0], [7, 99], list(range(100)), list(range(60)), list(range(0, 100, 3))])
def test_texts_of_codes_are_those_that_take_gives(used):
    assert _texts(DICTIONARY, used) == DICTIONARY.take(pa.array(used, pa.int32())).to_pylist()


@pytest.mark.parametrize("used", [[-1], [100], [-1, *range(60)], [*range(60), 100]])
def test_a_code_outside_of_the_dictionary_is_refused_and_never_counted_from_the_end(used):
    with pytest.raises(pa.ArrowIndexError):
        _texts(DICTIONARY, used)
