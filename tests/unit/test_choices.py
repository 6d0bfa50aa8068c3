"""Names to choose from: few of many, and the ones most like what was written."""

from __future__ import annotations

from lsh_core.choices import MAX_NAMED, choice_of, did_you_mean, listed, near_names


def test_few_of_many_are_listed_with_how_many_more_there_are() -> None:
    many = [f"f{number}" for number in range(2_000)]
    assert listed(many) == f"{', '.join(many[:MAX_NAMED])} and 1,980 more"
    assert listed(many[:MAX_NAMED]) == ", ".join(many[:MAX_NAMED])
    assert listed([]) == "none"
    assert choice_of("f1999", many).startswith("did you mean f1999? there are f0, f1, ")


def test_the_nearest_name_is_meant_whatever_its_case() -> None:
    names = ["section", "title", "author.name"]
    assert did_you_mean("Sectoin", names) == "did you mean section? "
    assert did_you_mean("name", names) == "did you mean author.name? "
    assert did_you_mean("zzz", names) == ""
    assert near_names("titel", names, 2) == ["title"]
