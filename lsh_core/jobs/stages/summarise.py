"""Summarise: the report of a run, finished or failed, from what its stages recorded."""

from __future__ import annotations

from typing import Any

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import BuildRecords, now
from lsh_core.elastic.cluster import answering_client
from lsh_core.elastic.leases import BUILD, release
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.order import STAGES
from lsh_core.jobs.stages.stage_runner import run_caller
from lsh_core.settings import IndexSettings

_RECALL = ("recall", "recall_low", "recall_target", "recall_queries", "effort")
_SOURCE = ("source_format", "source_version", "left_out", "left_out_names")
_COUNTS = ("rows_read", "accepted", "repeated", "replaced", "dead_lettered")


def summarise(settings: IndexSettings, build: str, services: Services) -> dict[str, Any]:
    """Write and return the report of `build`, and give the lease of its name back.

    Returns
    -------
    dict
        ``build, index, alias, model_id, source_format, source_version, left_out, left_out_names, state,
        promoted, rows_read, accepted, repeated, replaced, dead_lettered,
        skipped, longer_rows, documents, nodes, seconds, work_seconds, recall, recall_low, recall_target,
        recall_queries, effort, columns_left_out, warnings, error``. Counts that no stage has reached are None, and so
        is the error of a run that did not fail.

    Notes
    -----
    The figures are the whole build's, however many tries it took:
    ``rows_read = accepted + repeated + replaced + dead_lettered``, where ``repeated`` rows lost to a later row with
    their id, and ``replaced`` rows to a live change. ``skipped`` tells how many of ``rows_read`` the last try did not
    send again, because the ledger had their chunks: they are counted among the others, by what became of them.
    ``longer_rows`` of a ``dot`` index are longer than every row that its model was fitted on: they are indexed, but
    found less surely.
    """
    try:
        return _report(settings, build, services)
    finally:
        release(services.connection, settings.name, BUILD, run_caller(services, build))


def _report(settings: IndexSettings, build: str, services: Services) -> dict[str, Any]:
    client = answering_client(services.connection)
    runs = BuildRecords(client)
    record = runs.get(settings.name, build)
    stages: dict[str, dict[str, Any]] = record.get("stages", {})
    read = stages.get("plan", {}) or stages.get("check", {})
    verified, loaded = stages.get("verify", {}), stages.get("load", {})
    report = {
        "build": build,
        "index": record["index"],
        "alias": settings.name,
        "model_id": record["model_id"],
        **{key: read.get(key) for key in _SOURCE},
        "state": record["state"],
        "promoted": live_index(client, settings.name) == record["index"],
        **{key: verified.get(key) for key in _COUNTS},
        "skipped": loaded.get("skipped"),
        "longer_rows": verified.get("longer_rows"),
        "documents": verified.get("documents"),
        "nodes": verified.get("nodes", []),
        "seconds": {
            each.name: stages[each.name]["seconds"] for each in STAGES if "seconds" in stages.get(each.name, {})
        },
        "work_seconds": verified.get("work_seconds", {}),
        **{key: verified.get(key) for key in _RECALL},
        "columns_left_out": stages.get("check", {}).get("columns_left_out", []),
        "warnings": verified.get("warnings", []),
        "error": record.get("error"),
    }
    runs.update(build, report=report, finished_at=now())
    return report
