"""Which documents in memory a query finds, for the few kinds of query that airlsh's own state is read with."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

Document = Mapping[str, Any]


def matches(query: Mapping[str, Any] | None, source: Document, seq_no: int) -> bool:
    """Whether a document is found; raises ``NotImplementedError`` for a query that is not known here."""
    if query is None:
        return True
    (kind, what), *rest = query.items()
    if rest or kind not in ("match_all", "term", "terms", "exists", "range", "bool"):
        raise NotImplementedError(f"query {query}")
    if kind == "bool":
        return _matches_all(what, source, seq_no)
    if kind == "match_all":
        return True
    if kind == "exists":
        return field(source, what["field"], seq_no) is not None
    (path, wanted), *_ = what.items()
    found = field(source, path, seq_no)
    if kind == "term":
        return bool(found == wanted)
    if kind == "terms":
        return found in wanted
    return found is not None and all(_within(found, bound, limit) for bound, limit in wanted.items())


def ordered(hits: Iterable[tuple[str, Document, int]], sort: Iterable[Any]) -> list[tuple[str, Document, int]]:
    """Return hits, each an id, a source and a ``_seq_no``, in the order asked for."""
    found = list(hits)
    for each in reversed([{key: "asc"} if isinstance(key, str) else dict(key) for key in sort]):
        (path, order), *_ = each.items()
        found.sort(key=lambda hit, path=path: _sortable(field(hit[1], path, hit[2])), reverse=order == "desc")  # type: ignore[misc]
    return found


def sort_values(hit: tuple[str, Document, int], sort: Iterable[Any]) -> list[Any]:
    """Return the values that place a hit in its order."""
    return [field(hit[1], key if isinstance(key, str) else next(iter(key)), hit[2]) for key in sort]


def doc_values(source: Document, wanted: Iterable[Any], seq_no: int) -> dict[str, list[Any]]:
    """Return the fields asked for, as ``docvalue_fields`` gives them."""
    values: dict[str, list[Any]] = {}
    for each in wanted:
        path = each if isinstance(each, str) else each["field"]
        value = field(source, path, seq_no)
        if not isinstance(each, str) and each["format"] == "binary":
            value = base64.b64encode(np.array(value, ">f4").tobytes()).decode() if value is not None else None
        elif not isinstance(each, str):
            assert each["format"] == "epoch_millis"
            value = str(round(datetime.fromisoformat(value).timestamp() * 1000)) if value is not None else None
        if value is not None:
            values[path] = [value]
    return values


def field(source: Document, path: str, seq_no: int = -1) -> Any:
    """Return the value at a dotted path, or None."""
    if path in ("_seq_no", "_shard_doc"):
        return seq_no
    found: Any = source
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _matches_all(clauses: Mapping[str, Any], source: Document, seq_no: int) -> bool:
    if unknown := set(clauses) - {"filter", "must", "must_not"}:
        raise NotImplementedError(f"bool with {unknown}")
    wanted = [*clauses.get("filter", ()), *clauses.get("must", ())]
    return all(matches(each, source, seq_no) for each in wanted) and not any(
        matches(each, source, seq_no) for each in clauses.get("must_not", ())
    )


def _within(found: Any, bound: str, limit: Any) -> bool:
    if limit == "now":
        found, limit = datetime.fromisoformat(found), datetime.now(UTC)
    return bool({"gt": found > limit, "gte": found >= limit, "lt": found < limit, "lte": found <= limit}[bound])


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is None, 0 if value is None else value)
