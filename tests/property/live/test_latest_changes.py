"""The last change of each id, against a plain dict."""

from __future__ import annotations

from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.builds.id_hashes import IdHashes, hash_ids
from lsh_core.live import latest_changes
from lsh_core.live.journal import Entry
from lsh_core.live.latest_changes import LatestChangeIndex

CHANGES = st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(-1, 30)), max_size=40)


def entries(changes: list[tuple[str, int]]) -> list[Entry]:
    """Entries whose places follow one another; those with a position that is not negative may count as older."""
    return [
        Entry(f"k{place}", identity, "delete", None, None, place, place if older < 0 else min(older, place))
        for place, (identity, older) in enumerate(changes)
    ]


@given(CHANGES, st.integers(1, 7), st.sampled_from([0, 3, 2**18]))
def test_the_last_change_of_each_id_is_that_of_a_dict(changes: list[tuple[str, int]], page: int, most: int) -> None:
    all_entries = entries(changes)
    wanted: dict[str, Entry] = {}
    for entry in all_entries:
        if entry.id not in wanted or (entry.effective_position, entry.position) > (
            wanted[entry.id].effective_position,
            wanted[entry.id].position,
        ):
            wanted[entry.id] = entry
    last = LatestChangeIndex()
    with mock.patch.object(latest_changes, "_MAX_WAITING", most):
        for start in range(0, len(all_entries), page):
            last.add(all_entries[start : start + page])

    assert len(last) == len(wanted)
    expected = [wanted[entry.id] is entry for entry in all_entries]
    assert last.are_last(all_entries).tolist() == expected
    assert last.are_superseded(all_entries).tolist() == [not each for each in expected]
    assert {tuple(each) for each in last.hashes().tolist()} == {
        tuple(each) for each in hash_ids(sorted(wanted)).tolist()
    }
    stranger = Entry("k", "stranger", "delete", None, None, 0, 0)
    assert not last.are_last([stranger]).any()
    assert not last.are_superseded([stranger]).any()


def test_ids_that_share_half_a_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(ids: list[str]) -> npt.NDArray[np.uint64]:
        return np.array([(7, ord(each)) for each in ids], np.uint64).reshape(-1, 2)

    monkeypatch.setattr(latest_changes, "hash_ids", half)
    all_entries = entries([(identity, -1) for identity in "abcab"])
    last = LatestChangeIndex()
    last.add(all_entries)
    assert len(last) == 3
    assert last.are_last(all_entries).tolist() == [False, False, True, True, True]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)))
)
def test_a_set_of_hashes_is_a_set(held: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    hashes = IdHashes(np.array(held, np.uint64).reshape(-1, 2))
    assert len(hashes) == len(set(held))
    assert hashes.contains(np.array(asked, np.uint64).reshape(-1, 2)).tolist() == [each in set(held) for each in asked]
