"""Errors of libraries as errors of airlsh."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lsh_core.elastic.refusals import REQUEST, errors_named, named_error
from lsh_core.errors import (
    AccessError,
    AirlshError,
    BusyError,
    NotFoundError,
    RequestRefusedError,
    UnavailableError,
    UnexpectedError,
)


def api_error(status: int, error: Any) -> Exception:
    from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
    from elasticsearch import ApiError

    meta = ApiResponseMeta(status, "1.1", HttpHeaders({}), 0.0, NodeConfig("http", "a", 1))
    found = ApiError(error.get("type", "said so"), meta, {"error": error})
    setattr(found, REQUEST, "PUT /airlsh-docs-1")
    return found


NESTED = {
    "type": "illegal_argument_exception",
    "reason": "template is invalid",
    "root_cause": [{"reason": "template is invalid"}],
    "caused_by": {"reason": "Failed to parse mapping: no such type", "caused_by": {"reason": "no such type"}},
}


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, NESTED, RequestRefusedError),
        (404, {"reason": "no such index"}, RequestRefusedError),
        (403, {"type": "security_exception", "reason": "is unauthorized"}, AccessError),
        (403, {"type": "cluster_block_exception", "reason": "read-only"}, RequestRefusedError),
        (409, {"reason": "version conflict"}, BusyError),
        (503, {"reason": "no master"}, BusyError),
    ],
)
def test_a_status_says_whether_another_try_can_help(status: int, error: Any, kind: type[AirlshError]) -> None:
    found = named_error(api_error(status, error))
    assert type(found) is kind
    assert found.final == (kind is not BusyError)


def test_a_refusal_names_the_request_and_each_reason_once() -> None:
    assert str(named_error(api_error(400, NESTED))) == (
        "Elasticsearch refused PUT /airlsh-docs-1 (400): template is invalid: Failed to parse mapping: no such type"
    )


@pytest.mark.parametrize(
    "error", [ValueError("bad"), pa.ArrowInvalid("bad"), KeyError("bad"), pa.ArrowTypeError("bad")]
)
def test_a_fault_that_a_library_raises_is_named_and_final(error: Exception) -> None:
    with pytest.raises(UnexpectedError, match=f"{type(error).__name__}\\): .*bad") as named, errors_named():
        raise error
    assert named.value.final
    assert named.value.__cause__ is error


def test_what_may_pass_by_itself_stays_as_it_is() -> None:
    assert named_error(OSError("disk")) is None
    assert named_error(MemoryError()) is None
    with pytest.raises(NotFoundError), errors_named():
        raise NotFoundError("model", "m")


def test_a_node_that_is_away_may_come_back() -> None:
    from elastic_transport import ConnectionError as Away

    error = Away("HTTPConnection(host='a', port=1): Failed to connect: refused")
    setattr(error, REQUEST, "PUT /x")
    found = named_error(error)
    assert isinstance(found, UnavailableError)
    assert not found.final
    assert str(found) == "Elasticsearch did not answer; last: PUT /x: Failed to connect: refused"
