"""Names of partitions, for any keys and values."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsh_core.partitions import Levels, column_value, levels_of, partition_name
from lsh_core.settings import RefreshSettings

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.sampled_from(
    ["a/b", "5%", "%2F", "=", "ä b"]
)
LEVELS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3, unique_by=lambda level: level[0]).map(tuple)


@given(LEVELS)
def test_a_name_means_one_partition(levels: Levels) -> None:
    name = partition_name(levels)
    assert levels_of(name.split("/")) == levels
    assert partition_name(levels_of(name.split("/"))) == name


@given(LEVELS)
def test_a_partition_has_one_name_however_its_folders_are_escaped(levels: Levels) -> None:
    folders = [f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in levels]
    name = partition_name(levels)
    assert partition_name(levels_of(["lake", *folders])) == name
    assert RefreshSettings(name="n", source="s", partition="/".join(folders)).partition == name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (" day=2026-11-01 ", "day=2026-11-01"),
        ("region=eu/date=2026-11-01 10%3A00", "region=eu/date=2026-11-01 10:00"),
        ("kind=a%2fb", "kind=a%2Fb"),
        ("town=S%C3%A3o%20Paulo", "town=São Paulo"),
        ("rate=5%", "rate=5%25"),
        ("sum=a=b", "sum=a=b"),
        ("sum%3D=1", "sum%3D=1"),
    ],
)
def test_names_as_they_are_typed(typed: str, name: str) -> None:
    assert RefreshSettings(name="n", source="s", partition=typed).partition == name
    assert RefreshSettings(name="n", source="s", partition=name).partition == name


def test_hives_name_of_null_is_null() -> None:
    assert column_value("__HIVE_DEFAULT_PARTITION__") is None
    assert column_value("null") == "null"
