"""Strategies for JSON values, clean and as agents and models deliver them."""

from typing import Any

from hypothesis import strategies as st

# Few keys, among them those that pointers must escape, so that generated pointers often hit.
KEYS = ["a", "b", "", "~", "/", "~1", "0", "1", "01", "-", "é", "\u0661"]

clean_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
dirty_text = st.text(
    st.one_of(st.characters(), st.sampled_from("\0\ud800\udbff\udc00\udfff\ufffd\U0001f600a")), max_size=20
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


def json_values(text: st.SearchStrategy[str] = clean_text, keys: Any = None) -> st.SearchStrategy[Any]:
    """Return JSON values whose texts are `text`, and whose keys are `keys` or else texts as well."""
    return st.recursive(
        st.one_of(scalars, text),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(text if keys is None else keys, inner, max_size=4)
        ),
        max_leaves=12,
    )


states = st.dictionaries(st.sampled_from(KEYS), json_values(keys=st.sampled_from(KEYS)), max_size=5)
