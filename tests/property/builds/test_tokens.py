from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lsh_core.retrieval.token_format import TokenFormat

shapes = st.tuples(st.integers(0, 8), st.integers(1, 6))


@given(st.data(), st.integers(1, 2**40), st.binary(min_size=32, max_size=32))
def test_both_ways_of_writing_tokens_agree(data: st.DataObject, count: int, fingerprint: bytes) -> None:
    tokens = TokenFormat.of(fingerprint.hex(), count)
    codes = data.draw(arrays("int64", shapes, elements=st.integers(0, count - 1)))

    lists = [orjson.loads(b"[" + text + b"]") for text in tokens.json_lists(codes)]

    assert [len(row) for row in lists] == [codes.shape[1]] * len(codes)
    words = [word for row in lists for word in row]
    assert words == tokens.words(codes)
    assert all(len(word) == 4 + tokens.width for word in words)
    assert [int(word[4:]) for word in words] == codes.ravel().tolist()
