"""Requires that an answer covers every shard.

Count, search, refresh and force-merge answer 200 even if a shard is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsh_core.errors import PartialAnswerError


def require_all_shards(action: str, index: str, answer: Mapping[str, Any]) -> None:
    """Raise `PartialAnswerError` unless `answer` covers every shard."""
    shards = answer["_shards"]
    if shards["successful"] != shards["total"] or shards.get("failed"):
        raise PartialAnswerError(action, index, shards["successful"], shards["total"])


def require_primaries(action: str, index: str, answer: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise `PartialAnswerError` if a copy failed, or fewer copies than primaries took part.

    `settings` are the flat settings of the indices that `index` stands for.
    """
    shards = answer["_shards"]
    primaries = sum(int(each["settings"]["index.number_of_shards"]) for each in settings.values())
    if shards["successful"] < primaries or shards.get("failed"):
        raise PartialAnswerError(action, index, shards["successful"], primaries)
