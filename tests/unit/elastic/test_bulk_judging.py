"""Every row of the table "what it answers to bad rows and in trouble", as the loader must read it."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.elastic.bulk_answers import Verdict, judge_item, judge_request


def failed(status: int, kind: str, reason: str = "why") -> dict[str, Any]:
    return {"status": status, "error": {"type": kind, "reason": reason}}


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        ({"status": 201}, Verdict.DONE),
        ({"status": 200}, Verdict.DONE),
        (failed(409, "version_conflict_engine_exception"), Verdict.DONE),
        (failed(400, "illegal_argument_exception"), Verdict.REFUSED),
        (failed(400, "document_parsing_exception"), Verdict.REFUSED),
        (failed(400, "strict_dynamic_mapping_exception"), Verdict.REFUSED),
        (failed(400, "index_closed_exception"), Verdict.BLOCKED),
        (failed(429, "es_rejected_execution_exception"), Verdict.RETRY),
        (failed(429, "cluster_block_exception"), Verdict.BLOCKED),
        (failed(502, "node_not_connected_exception"), Verdict.RETRY),
        (failed(503, "unavailable_shards_exception"), Verdict.NO_PRIMARY),
        (failed(503, "process_cluster_event_timeout_exception"), Verdict.RETRY),
        (failed(504, "timeout_exception"), Verdict.RETRY),
        (failed(403, "cluster_block_exception"), Verdict.STOP),
        (failed(404, "index_not_found_exception"), Verdict.STOP),
        (failed(401, "security_exception"), Verdict.STOP),
        (failed(500, "null_pointer_exception"), Verdict.STOP),
    ],
)
def test_item(item: dict[str, Any], verdict: Verdict) -> None:
    judged = judge_item(item)
    assert judged.verdict is verdict
    if verdict is not Verdict.DONE:
        assert judged.error == item["error"]["type"]
        assert judged.reason == "why"


@pytest.mark.parametrize(
    ("status", "kind", "rows", "refused_before", "verdict"),
    [
        (400, "action_request_validation_exception", 2, False, Verdict.BISECT),
        (400, "action_request_validation_exception", 1, False, Verdict.REFUSED),
        (413, None, 2, False, Verdict.SPLIT),
        (413, None, 1, False, Verdict.REFUSED),
        (429, "es_rejected_execution_exception", 2, False, Verdict.RETRY),
        (429, "es_rejected_execution_exception", 2, True, Verdict.SPLIT),
        (429, "es_rejected_execution_exception", 1, True, Verdict.RETRY),
        (503, "cluster_block_exception", 2, False, Verdict.RETRY),
        (502, None, 2, False, Verdict.RETRY),
        (504, None, 2, False, Verdict.RETRY),
        (500, "exception", 2, False, Verdict.RETRY),
        (408, None, 1, False, Verdict.RETRY),
        (401, "security_exception", 2, False, Verdict.STOP),
        (403, "security_exception", 2, False, Verdict.STOP),
        (404, "index_not_found_exception", 2, False, Verdict.STOP),
        (405, None, 1, False, Verdict.STOP),
    ],
)
def test_request(status: int, kind: str | None, rows: int, refused_before: bool, verdict: Verdict) -> None:
    body = {"error": {"type": kind, "reason": "why"}, "status": status} if kind else None
    judged = judge_request(status, body, rows=rows, refused_before=refused_before)
    assert judged.verdict is verdict
    assert judged.error
    if kind:
        assert (judged.error, judged.reason) == (kind, "why")


@pytest.mark.parametrize("body", [None, "", "<html>Bad gateway</html>", [], {"error": "a bare sentence"}, {}])
def test_bodies_that_are_not_elasticsearchs_are_judged_by_their_status(body: object) -> None:
    assert judge_request(502, body, rows=3, refused_before=False).verdict is Verdict.RETRY
    assert judge_request(413, body, rows=3, refused_before=False).verdict is Verdict.SPLIT


def test_the_reason_names_the_innermost_cause() -> None:
    error = {
        "type": "document_parsing_exception",
        "reason": "failed to parse field [v]",
        "caused_by": {"type": "x", "reason": "outer", "caused_by": {"type": "y", "reason": "NaN is not allowed"}},
    }
    judged = judge_item({"status": 400, "error": error})
    assert judged.error == "document_parsing_exception"
    assert judged.reason == "failed to parse field [v]: outer: NaN is not allowed"


def test_a_reason_that_repeats_itself_is_said_once() -> None:
    error = {"type": "x", "reason": "same", "caused_by": {"reason": "same"}}
    assert judge_item({"status": 400, "error": error}).reason == "same"
