"""Probes the health of a part of the stack over HTTP."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

# A proxy of the environment cannot reach 127.0.0.1 of this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_json(url: str, *, timeout_seconds: float = 2.0) -> Any | None:
    """Return the JSON answer of `url`, or None for any other answer."""
    try:
        with OPENER.open(url, timeout=timeout_seconds) as answer:
            return json.load(answer)
    except (OSError, ValueError):  # refused, timed out, an HTTP error (each an OSError), or not JSON
        return None
