from __future__ import annotations

import numpy as np
import pytest

from lsh_core.retrieval.token_format import PREFIX_LENGTH, TokenFormat


def test_a_token_is_a_prefix_and_a_padded_code() -> None:
    tokens = TokenFormat("Zk3x", 5)
    assert tokens.words(np.array([[0, 421], [99_999, 7]])) == ["Zk3x00000", "Zk3x00421", "Zk3x99999", "Zk3x00007"]


def test_json_lists_are_the_insides_of_lists() -> None:
    assert TokenFormat("Zk3x", 2).json_lists(np.array([[1, 2], [30, 4]])) == [
        b'"Zk3x01","Zk3x02"',
        b'"Zk3x30","Zk3x04"',
    ]


@pytest.mark.parametrize(("count", "width"), [(0, 1), (1, 1), (10, 1), (11, 2), (100, 2), (16_384, 5), (2**31, 10)])
def test_the_width_holds_the_largest_code(count: int, width: int) -> None:
    assert TokenFormat.of("ab" * 32, count).width == width


def test_the_prefix_is_the_fingerprints() -> None:
    one, other = TokenFormat.of("ab" * 32, 10), TokenFormat.of("cd" * 32, 10)
    assert one.prefix != other.prefix
    assert len(one.prefix) == PREFIX_LENGTH
    assert not set(one.words(np.arange(10))) & set(other.words(np.arange(10)))


@pytest.mark.parametrize("fingerprint", ["00" * 32, "fb" * 32, "ff" * 32])
def test_a_prefix_needs_no_escaping_in_json(fingerprint: str) -> None:
    assert not set(TokenFormat.of(fingerprint, 10).prefix) & set('"\\ \n/')


def test_codes_are_not_changed() -> None:
    codes = np.arange(12).reshape(4, 3)
    TokenFormat("Zk3x", 2).json_lists(codes)
    assert codes.tolist() == np.arange(12).reshape(4, 3).tolist()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_codes_no_tokens(shape: tuple[int, int]) -> None:
    assert TokenFormat("Zk3x", 2).json_lists(np.empty(shape, np.int64)) == [b""] * shape[0]
