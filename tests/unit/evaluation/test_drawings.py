"""What the drawings of a report show, read from their SVG."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, replace
from functools import cache

import pytest

from lsh_core.evaluation.drawings import Drawing, drawings
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.svg import ALERT, LIVE
from tests.fakes.evaluations import made_evaluation, made_health

SVG = "{http://www.w3.org/2000/svg}"
CURVE = ("recall", "frontier", "histogram", "scored")

HNSW = {
    "model": "hnsw",
    "effort_name": "num_candidates",
    "effort": 150,
    "curve": [
        {**asdict(point), "scored": None, "effort": 10 * point.effort}
        for point in made_evaluation(efforts=(1, 5, 15, 100, 1_000)).curve
    ],
}
LONE = {"sizes": [7], "size_ranks": [1], "largest": [{"token": "t", "rows": 7, "share": 1.0}], "hot": []}
HUGE = {"sizes": [9_000_000, 80, 1], "size_ranks": [1, 900, 100_000], "possible": 5_000_000_000}
EVALUATIONS: dict[str, EvaluationReport] = {
    "usual": made_evaluation(health=made_health()),
    "graph": made_evaluation(**HNSW),
    "one effort": made_evaluation(efforts=(24,)),
    "nearly nothing found": made_evaluation(half=5_000.0, target=0.95),
    "all found at once": made_evaluation(half=0.01, target=0.999, histogram=[0] * 10 + [2_000]),
    "scan": made_evaluation(effort=None),
    "not measured when it was built": made_evaluation(target=None),
    "many neighbours": made_evaluation(k=100, histogram=[0] * 60 + list(range(41)), queries=820),
    "millions of rows": made_evaluation(rows=123_456_789, health=made_health(**HUGE)),
    "one token": made_evaluation(health=made_health(possible=1, used=1, **LONE)),
}


@cache
def drawn(name: str) -> tuple[Drawing, ...]:
    return tuple(drawings(EVALUATIONS[name]))


def shown(name: str) -> dict[str, ElementTree.Element]:
    return {each.key: ElementTree.fromstring(each.svg) for each in drawn(name)}


def parsed(result: EvaluationReport) -> dict[str, ElementTree.Element]:
    return {each.key: ElementTree.fromstring(each.svg) for each in drawings(result)}


def words(svg: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


def test_a_drawing_for_each_question() -> None:
    assert set(shown("usual")) == {*CURVE, "sizes", "largest"}
    assert set(shown("scan")) == set(CURVE)
    assert set(shown("graph")) == {"recall", "frontier", "histogram"}
    empty = made_health(sizes=[], size_ranks=[], largest=[], hot=[])
    assert set(parsed(made_evaluation(health=empty))) == set(CURVE)
    assert set(parsed(made_evaluation(health=None))) == set(CURVE)


def test_no_two_ticks_read_alike() -> None:
    few = made_evaluation()
    curve = [replace(point, p50_ms=1.8 + 0.01 * point.effort**0.2) for point in few.curve]
    few = replace(few, curve=curve)
    for name, svg in [("frontier", parsed(few)["frontier"])]:
        for axis in (each for each in svg.iter(f"{SVG}g") if "matplotlib.axis" in each.get("id", "")):
            ticks = [word for word in words(axis) if word.replace(",", "").replace(".", "").isdigit()]
            assert len(ticks) == len(set(ticks)), (name, ticks)


def test_the_target_and_the_default_are_marked() -> None:
    svg = shown("usual")
    assert {"recall@10", "probes", "target 0.9", "default: 24 probes"} <= set(words(svg["recall"]))
    assert {"recall@10", "searches/s, 8 clients", "24"} <= set(words(svg["frontier"]))
    assert {"default: 24 probes: 9.6 % of the rows", "all 10,000 rows"} <= set(words(svg["scored"]))
    for key in ("recall", "frontier", "scored"):
        assert LIVE in ElementTree.tostring(svg[key], "unicode")
    scan = shown("scan")["recall"]
    assert LIVE not in ElementTree.tostring(scan, "unicode")
    assert not [word for word in words(scan) if "default" in word]
    assert not [word for word in words(shown("not measured when it was built")["recall"]) if "target" in word]


def test_the_figures_of_hash_health() -> None:
    svg = shown("usual")
    assert "if all held as many: 7" in words(shown("one token")["sizes"])
    assert not [word for word in words(shown("millions of rows")["sizes"]) if "if all" in word]  # Less than one.
    alike = made_health(sizes=[50, 50, 50], size_ranks=[1, 10, 300], possible=400, used=300)
    assert "if all held as many: 38" in words(parsed(made_evaluation(health=alike))["sizes"])
    assert {"Zk3x000", "2,400 (6 %)", "Zk3x009"} <= set(words(svg["largest"]))
    assert ALERT in ElementTree.tostring(svg["largest"], "unicode")  # Two are hot.
    assert ALERT not in ElementTree.tostring(shown("one token")["largest"], "unicode")


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_drawing_says_in_words_what_is_to_be_seen(name: str) -> None:
    for drawing in drawn(name):
        svg = ElementTree.fromstring(drawing.svg)
        title = svg.find(f"{SVG}title")
        assert title is not None
        assert title.text == svg.get("aria-label") == drawing.alt
        assert svg.get("role") == "img"
        assert len(drawing.alt) > 40
        assert drawing.alt.endswith(".")


@pytest.mark.parametrize("name", EVALUATIONS)
def test_texts_do_not_touch_and_lie_on_the_ground(name: str) -> None:
    for key, svg in shown(name).items():
        _, _, width, height = map(float, svg.get("viewBox", "").split())
        boxes = {n: box for n, box in enumerate(map(box_of, svg.iter(f"{SVG}text"))) if box}
        for left, top, right, bottom in boxes.values():
            assert 0 <= left < right <= width, key
            assert 0 <= top < bottom <= height, key
        said = words(svg)
        for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, (key, said[one], said[other])


def box_of(text: ElementTree.Element) -> tuple[float, float, float, float] | None:
    """Return about where a level text is, for a font in which a character is half as wide as high."""
    style = dict(part.strip().split(": ", 1) for part in text.get("style", "").split(";") if part.strip())
    if "rotate(-90" in text.get("transform", ""):
        return None
    size = float(style["font-size"].removesuffix("px")) if "font-size" in style else 10.0
    wide = 0.5 * size * len("".join(text.itertext()))
    x, y = place_of(text)
    left = {"middle": x - wide / 2, "end": x - wide}.get(style.get("text-anchor", "start"), x)
    return left, y - 0.7 * size, left + wide, y


def place_of(text: ElementTree.Element) -> tuple[float, float]:
    if text.get("x") is not None:
        return float(text.get("x", "")), float(text.get("y", ""))
    moved = text.get("transform", "").partition("translate(")[2].partition(")")[0].split()
    return float(moved[0]), float(moved[1])


def test_the_same_figures_give_the_same_bytes() -> None:
    assert tuple(drawings(EVALUATIONS["usual"])) == drawn("usual")


def test_a_drawing_needs_nothing_from_elsewhere_and_tells_no_time() -> None:
    for svg in shown("usual").values():
        for element in svg.iter():
            assert all(value.startswith("#") for name, value in element.attrib.items() if name.endswith("href"))
            assert element.tag.rpartition("}")[2] not in ("script", "image", "date", "metadata")


def test_what_looks_like_markup_or_mathematics_is_text() -> None:
    token = "<b>$x^2$ & "
    health = made_health(largest=[{"token": token, "rows": 5, "share": 0.1}], hot=[])
    assert token in words(parsed(made_evaluation(health=health))["largest"])


def test_the_settings_of_matplotlib_are_left_as_they_were() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    matplotlib.rcParams["font.size"] = 31
    try:
        list(drawings(made_evaluation()))
        assert matplotlib.rcParams["font.size"] == 31
    finally:
        matplotlib.rcParams["font.size"] = before["font.size"]
    assert dict(matplotlib.rcParams) == before
