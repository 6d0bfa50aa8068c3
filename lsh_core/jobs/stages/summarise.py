"""Summarise: reports a finished or failed run from the facts of its stages."""

from __future__ import annotations

from dataclasses import fields

from lsh_core.builds.aliases import live_index
from lsh_core.builds.records import BuildRecords
from lsh_core.builds.stage_facts import DefaultRecall, RowAccounts, VerifyFacts
from lsh_core.elastic.leases import BUILD, release
from lsh_core.jobs.index_report import IndexReport
from lsh_core.jobs.services import Services
from lsh_core.jobs.stages.stage_runner import run_caller
from lsh_core.settings import IndexSettings
from lsh_core.sources.source_facts import SourceFacts


def summarise(settings: IndexSettings, build: str, services: Services) -> IndexReport:
    """Write and return the report of `build`, and release the lease of its name."""
    try:
        return _report(settings, build, services)
    finally:
        release(services.cluster, settings.name, BUILD, run_caller(services, build))


def _report(settings: IndexSettings, build: str, services: Services) -> IndexReport:
    cluster = services.cluster
    runs = BuildRecords(cluster)
    record = runs.get(settings.name, build)
    stages = record.stages
    verified = stages.verify or VerifyFacts()
    figures = (*fields(RowAccounts), *fields(DefaultRecall))
    source = {each.name: getattr(stages.source, each.name) for each in fields(SourceFacts)}
    report = IndexReport(
        **source,
        **{each.name: getattr(verified, each.name) for each in figures},
        build=build,
        index=record.index,
        alias=settings.name,
        model_id=record.model_id,
        state=record.state,
        promoted=live_index(cluster, settings.name) == record.index,
        skipped=None if stages.load is None else stages.load.skipped,
        documents=verified.documents,
        seconds=stages.seconds,
        columns_left_out=() if stages.check is None else stages.check.columns_left_out,
        warnings=verified.warnings,
        error=record.error,
    )
    runs.record_report(build, report.to_json())
    return report
