"""The page of a report, read by the standard parser."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

from lsh_core.evaluation.drawings import Drawing, drawings
from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.evaluation.report_page import histogram_rows, report_page
from tests.fakes.evaluations import made_evaluation, made_health

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """What is in a page: its tags with their attributes, its text, and its tables; refuses tags that do not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@cache
def usual_drawings() -> tuple[Drawing, ...]:
    return tuple(drawings(made_evaluation(health=made_health())))


def page_of(result: EvaluationReport) -> Page:
    return Page(report_page(result, usual_drawings()))


def said(page: Page) -> str:
    return re.sub(r"\s+", " ", page.text)


def test_the_headline_comes_first() -> None:
    result = made_evaluation(recall=0.974, recall_low=0.968, p50_ms=2.1)
    text = said(page_of(result))
    assert "packages build 20261121t000650-8ee64e · model ivf · metric cosine · 10,000 rows" in text
    headline = "recall@10 0.974 (at least 0.968 with 95 % confidence) at 24 probes, 2.1 ms"
    assert text.index(headline) < text.index("How much is found")
    scan = said(page_of(made_evaluation(effort=None, recall=1.0)))
    assert "recall@10 1.000" in scan
    assert "by a scan of all rows" in scan


def test_warnings_stand_before_the_figures_with_what_helps() -> None:
    quiet = page_of(made_evaluation())
    assert not [attributes for attributes in quiet.all("div") if attributes.get("class") == "warning"]
    page = page_of(made_evaluation(health=made_health()))
    text = said(page)
    warning = text.index("2 lists hold 9 % of the rows. Train with --lists 1600.")
    assert warning < text.index("How much is found")
    assert "code" in [tag for tag, _ in page.tags]


def test_every_figure_of_the_drawings_is_in_a_table() -> None:
    result = made_evaluation(health=made_health())
    efforts, histogram, depths, tokens = page_of(result).tables
    assert efforts[0][:3] == ["probes", "recall@10", "at least"]
    assert [row[0] for row in efforts[1:]] == [str(point.effort) for point in result.curve]
    assert [float(row[1]) for row in efforts[1:]] == [point.recall for point in result.curve]
    assert [float(row[6]) for row in efforts[1:]] == [point.p50_ms for point in result.curve]
    assert efforts[1][4:6] == ["40", "0.4 %"]
    counts = {int(row[0]): int(row[1].replace(",", "")) for row in histogram[1:]}
    assert counts == {found: count for found, count in enumerate(result.histogram) if count}
    assert depths[1:] == [["1", "0.9910", "1.00"], ["10", "0.9740", "0.80"], ["100", "0.9110", "0.62"]]
    assert tokens[1] == ["Zk3x000", "2,400", "6 %"]
    assert len(tokens) == 11


def test_what_is_not_known_is_not_told() -> None:
    graph = made_evaluation(model="hnsw", scored=None, distance_ratio=None, own_queries=True, health=None)
    graph = replace(graph, curve=[replace(point, scored=None) for point in graph.curve])
    page = Page(report_page(graph, list(drawings(graph))))
    assert "rows compared" in Page(report_page(made_evaluation(), usual_drawings())).tables[0][0]
    assert {len(row) for row in page.tables[0]} == {len(page.tables[0][0])}
    assert len(page.all("img")) == 3
    assert "rows compared" not in page.text
    assert "times the true ones" not in page.text
    assert "Health of the tokens" not in page.text
    assert "queries of a file" in page.text
    assert "None" not in page.text
    assert "on a sample of 5,000 rows" in said(page_of(made_evaluation(health=made_health(sampled_rows=5_000))))


def test_the_page_needs_nothing_beside_it() -> None:
    page = page_of(made_evaluation(health=made_health()))
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert len(addresses) == 6
    for address in addresses:
        assert address is not None
        kind, _, content = address.partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert ElementTree.fromstring(base64.b64decode(content)).tag == "{http://www.w3.org/2000/svg}svg"
    assert all(len(attributes["alt"] or "") > 40 for attributes in page.all("img"))
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_what_comes_from_outside_is_escaped() -> None:
    bad = "<script>alert(1)</script>\"'`<img src=x onerror=alert(1)>`"
    fields = dict.fromkeys(("name", "build", "index", "model", "metric", "effort_name", "evaluated_at"), bad)
    largest = [{"token": bad, "rows": 5, "share": 0.1}]
    warnings = [{"what": bad, "remedy": bad}]
    result = made_evaluation(**fields, health=made_health(largest=largest, hot=largest, warnings=warnings))
    drawn = list(drawings(result))
    page = Page(report_page(result, drawn))
    assert not page.all("script")
    assert len(page.all("img")) == 6
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 9
    for drawing in drawn:
        elements = list(ElementTree.fromstring(drawing.svg).iter())
        assert not [element for element in elements if element.tag.rpartition("}")[2] in ("script", "img")]


def test_the_same_figures_give_the_same_page() -> None:
    result = made_evaluation(health=made_health())
    document = result.to_json()
    document["recall_at"] = dict(reversed(document["recall_at"].items()))
    turned = EvaluationReport.from_json(dict(reversed(document.items())))
    assert report_page(turned, list(drawings(turned))) == report_page(result, usual_drawings())


def test_many_neighbours_are_counted_in_ranges() -> None:
    assert list(histogram_rows([0, 1, 0, 3])) == [("3", 3), ("1", 1)]
    rows = dict(histogram_rows([1] * 101))
    assert rows == {f"{upper - 9} to {upper}": 10 for upper in range(100, 0, -10)} | {"0": 1}
    assert sum(dict(histogram_rows([7] * 48)).values()) == 7 * 48
