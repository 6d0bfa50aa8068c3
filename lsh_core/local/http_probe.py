"""Asks a part of the stack, over HTTP on this machine, how it is."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

# A proxy from the environment would be asked for 127.0.0.1, and cannot know it.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_json(url: str, *, timeout_seconds: float = 2.0) -> Any | None:
    """Return the JSON answer of `url`, or None for any other answer."""
    try:
        with OPENER.open(url, timeout=timeout_seconds) as answer:
            return json.load(answer)
    except (OSError, ValueError):  # refused, timed out, an HTTP error (each an OSError), or not JSON
        return None
