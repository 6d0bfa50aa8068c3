"""Formats results of verbs as lines of text. Pure: no I/O.

Terminals and task logs show the lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from lsh_core.jobs.index_report_lines import report_lines

if TYPE_CHECKING:
    from lsh_core.builds.alias_moves import AliasMove
    from lsh_core.jobs.builds import BuildSummary
    from lsh_core.jobs.changes import DeleteReport, UpsertReport
    from lsh_core.jobs.dead_letters import ReplayReport
    from lsh_core.jobs.refresh import RefreshReport
    from lsh_core.jobs.report import WrittenReport
    from lsh_core.jobs.retention import AbandonReport, RetireReport
    from lsh_core.jobs.train import TrainReport
    from lsh_core.models.store import StoredModel
    from lsh_core.sources.dead_letter import DeadLetter


def trained(result: TrainReport) -> Iterator[str]:
    """Yield the line of a trained model."""
    seconds = result.seconds
    yield (
        f"model {result.model_id}: {result.model}, {result.metric}, {result.dims} dimensions, "
        f"{result.sample_rows:,} rows sampled in {seconds['sample']:.1f} s, fitted in {seconds['fit']:.1f} s"
    )


def upserted(result: UpsertReport) -> Iterator[str]:
    """Yield the line of an upsert."""
    counts = f"{result.created:,} created, {result.replaced:,} replaced"
    yield f"{result.name}: {result.upserted:,} rows written ({counts}), live in build {result.build}"


def deleted(result: DeleteReport) -> Iterator[str]:
    """Yield the line of a delete."""
    documents = "document" if result.deleted == 1 else "documents"
    ids = "id was" if result.missing == 1 else "ids were"
    missing = f"; {result.missing:,} {ids} not there" if result.missing else ""
    yield f"{result.name}: {result.deleted:,} {documents} deleted from build {result.build}{missing}"


def refreshed(result: RefreshReport) -> Iterator[str]:
    """Yield the line of a refresh."""
    where = f"{result.name}, partition {result.partition}"
    if result.unchanged:
        yield f"{where}: these files were refreshed before; nothing to do (--again writes them once more)"
    else:
        yield (
            f"{where}: {result.upserted:,} documents written, {result.deleted:,} deleted, live in build {result.build}"
        )


def models(found: Sequence[StoredModel]) -> Iterator[str]:
    """Yield a table of models."""
    columns = {"model id": "model_id", "model": "model", "metric": "metric", "dims": "dims", "created": "created_at"}
    rows = [[str(getattr(model, key)) for key in columns.values()] for model in found]
    yield from table_lines(tuple(columns), rows, right=("dims",))


def builds(found: Sequence[BuildSummary]) -> Iterator[str]:
    """Yield a table of builds."""
    columns = ("name", "build", "state", "live", "documents", "model")
    rows = [
        (
            build.name,
            build.build,
            build.state,
            "live" if build.live else "",
            "-" if build.documents is None else f"{build.documents:,}",
            build.model_id,
        )
        for build in found
    ]
    yield from table_lines(columns, rows, right=("documents",))


def report_written(result: WrittenReport) -> Iterator[str]:
    """Yield the line of a written report."""
    yield f"report: {result.report}"


def moved(result: AliasMove) -> Iterator[str]:
    """Yield the line of a moved alias."""
    yield f"{result.alias}: {result.previous_index or 'nothing'} -> {result.live}"


def retired(result: RetireReport) -> Iterator[str]:
    """Yield the lines of retired and of skipped builds."""
    yield f"retired {len(result.retired)} builds, kept {len(result.kept)}"
    for build in result.retired:
        yield f"  {build}"
    for build, reason in result.skipped.items():
        yield f"skipped {build}: {reason}"


def abandoned(result: AbandonReport) -> Iterator[str]:
    """Yield the line of an abandoned build."""
    yield f"abandoned build {result.abandoned} of {result.name}"


def dead_letters(found: Sequence[DeadLetter]) -> Iterator[str]:
    """Yield a line for each dead letter."""
    yield from map(str, found)


def replayed(result: ReplayReport) -> Iterator[str]:
    """Yield the lines of a replay, and of the report of its build."""
    yield (
        f"{result.replayed:,} dead letters replayed, {result.still_refused:,} refused again, "
        f"{result.unmatched:,} without a corrected row"
    )
    if result.passed_over:
        yield f"{result.passed_over:,} rows of other ids changed nothing"
    yield from report_lines(result.report)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()) -> Iterator[str]:
    """Yield a header and rows with aligned columns; nothing without rows.

    Parameters
    ----------
    right
        Columns that are aligned to the right, such as numbers.
    """
    if not rows:
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for cells in (columns, *rows):
        line = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, cell, width in zip(columns, cells, widths, strict=True)
        ]
        yield "  ".join(line).rstrip()
