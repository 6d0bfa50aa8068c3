"""Build ids: all tries of a run have the same build, so that a retry resumes it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime


def build_id(id: str, started_at: datetime) -> str:
    """Return the build id of a run.

    `id` identifies the run, which started at `started_at`. Builds sort by their start: ``20261120t225340-1f0c3a``.
    """
    moment = started_at.astimezone(UTC).strftime("%Y%m%dt%H%M%S")
    return f"{moment}-{hashlib.sha256(id.encode()).hexdigest()[:6]}"
