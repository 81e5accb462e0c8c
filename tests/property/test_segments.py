"""A segment does what the deltas in it do, one after the other."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentops.common.canonical import Cleaner, canonical_bytes
from runs.checkpoints.segments import merged
from runs.engine.errors import UpdateError
from runs.engine.frozen import freeze, thaw
from runs.engine.updates import apply_delta
from tests.property.test_updates import Declared, updates_of

# So few places that later deltas often meet earlier ones.
keys = st.sampled_from(["a", "b", "l", "0", "-"])
paths = st.lists(keys, min_size=1, max_size=2).map(tuple)
values = st.sampled_from([0, 1, {}, [], {"a": 1}, [1, [2]], {"l": [{"b": 1}]}])
objects = st.dictionaries(keys, values, max_size=2)
deltas_declared = st.one_of(
    st.fixed_dictionaries({"set": st.dictionaries(paths, values, min_size=1, max_size=2)}),
    st.fixed_dictionaries({"merge": st.dictionaries(paths, objects, min_size=1, max_size=1)}),
    st.fixed_dictionaries({"append": st.dictionaries(paths, values, min_size=1, max_size=2)}),
    st.fixed_dictionaries({"remove": st.lists(paths, min_size=1, max_size=1)}),
)


@given(st.dictionaries(keys, values, max_size=4), st.lists(deltas_declared, max_size=12))
def test_a_segment_does_what_its_deltas_do(state: Any, declared: list[Declared]) -> None:
    deltas, expected = [], freeze(state)
    for one in declared:
        delta, tried = updates_of(one).delta(Cleaner()), freeze(thaw(expected))
        try:
            apply_delta(tried, delta)
        except UpdateError:
            continue
        deltas.append(delta)
        expected = tried
    found = freeze(state)
    apply_delta(found, merged(deltas))
    assert canonical_bytes(thaw(found)) == canonical_bytes(thaw(expected))
