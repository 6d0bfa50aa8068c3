"""A build brought up to date with the journal of live changes, and its record with it."""

from __future__ import annotations

from lsh_core.builds.records import BuildRecords, acknowledged_record
from lsh_core.elastic.cluster import answering_client
from lsh_core.jobs.services import Services
from lsh_core.live.journal import BEFORE_ALL
from lsh_core.live.replay import replay_changes
from lsh_core.live.watermark import SourceWatermark


def catch_up(name: str, build: str, services: Services) -> int:
    """Replay what the journal has and the build may not; return how far the journal was.

    A build that was live before is replayed from where it became so, which is safe.

    Raises as `replay_changes`.
    """
    record = acknowledged_record(services.connection, name, build)
    reached = replay_changes(
        services.connection,
        name,
        str(record["index"]),
        after=int(record.get("replayed_to", BEFORE_ALL)),
        planned_at=int(record.get("journal_at", BEFORE_ALL)),
        covered=SourceWatermark.of(record).upto,
    ).position
    BuildRecords(answering_client(services.connection)).update(build, replayed_to=reached)
    return reached
