from __future__ import annotations

import numpy as np

from lsh_core.exact.known_neighbours import KnownNeighbours


def known(measures: list[list[float]], limits: list[float]) -> KnownNeighbours:
    hashes = np.arange(2 * np.size(measures), dtype=np.uint64).reshape(*np.shape(measures), 2)
    return KnownNeighbours(np.array(measures), hashes, np.array(limits))


def test_neighbours_are_certain_up_to_the_limit() -> None:
    one = known([[1.0, 2.0, 3.0]] * 4, [np.inf, 2.0, 1.5, -np.inf])
    assert one.are_certain(1).tolist() == [True, True, True, False]
    assert one.are_certain(2).tolist() == [True, True, False, False]
    assert one.are_certain(4).tolist() == [False] * 4
    assert not known([[1.0, np.inf]], [np.inf]).are_certain(2).any()


def test_other_rows_take_their_places() -> None:
    one = known([[1.0, 4.0], [2.0, np.inf]], [3.0, np.inf])
    added = np.full((2, 1, 2), 99, np.uint64)
    both = one.with_rows(np.array([[2.5], [3.0]]), added)
    assert both.measures.tolist() == [[1.0, 2.5, 4.0], [2.0, 3.0, np.inf]]
    assert both.id_hashes[:, 1].tolist() == [[99, 99], [99, 99]]
    assert both.are_certain(2).tolist() == [True, True]
    assert both.nearest(2).limits.tolist() == [3.0, np.inf]
    assert both.nearest(1).limits.tolist() == [2.5, 3.0]
    assert both.nearest(1).are_certain(1).all()
    assert both.first(1).measures.tolist() == [[1.0, 2.5, 4.0]]
