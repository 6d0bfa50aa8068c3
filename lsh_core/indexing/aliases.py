"""What is live, and how that changes: one compare-and-swap of the alias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsh_core.errors import PromotionConflictError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def live_index(client: Elasticsearch, alias: str) -> str | None:
    """Return the index behind `alias`, or None.

    Raises
    ------
    PromotionConflictError
        `alias` is itself an index, or stands for several.
    """
    from elasticsearch import NotFoundError

    try:
        found = list(client.indices.get_alias(name=alias))
    except NotFoundError:
        if client.indices.exists(index=alias):
            reason = "is the name of an index, not of an alias; airlsh leaves it alone"
            raise PromotionConflictError(alias, reason) from None
        return None
    if len(found) != 1:
        raise PromotionConflictError(alias, f"stands for {len(found)} indices ({', '.join(sorted(found))}), not one")
    return str(found[0])


def swap(client: Elasticsearch, alias: str, *, expected: str | None, new: str) -> None:
    """Move `alias` from `expected` to `new` in one step, or not at all.

    Without ``must_exist`` a swap from an index that is no longer live answers 200 and leaves two
    indices behind the alias.

    Raises
    ------
    PromotionConflictError
        `expected` is not what is live, or `new` is red or has a shard that does not answer.
    """
    from elasticsearch import ApiError

    require_healthy(client, alias, new)
    if live_index(client, alias) != expected:
        raise PromotionConflictError(alias, f"is no longer on {expected or 'nothing'}; look at it and try again")
    if expected == new:
        return
    # An alias has at most one write index, and the server holds to that: of two first promotions one is refused.
    actions: list[dict[str, Any]] = [{"add": {"index": new, "alias": alias, "is_write_index": True}}]
    if expected is not None:
        actions.insert(0, {"remove": {"index": expected, "alias": alias, "must_exist": True}})
    try:
        answer = client.indices.update_aliases(actions=actions)
    except ApiError as error:
        raise PromotionConflictError(alias, f"was not moved: {error}") from error
    if not answer["acknowledged"] or answer.get("errors"):
        raise PromotionConflictError(alias, f"was not moved cleanly: {answer}")
    if (found := live_index(client, alias)) != new:
        raise PromotionConflictError(alias, f"stands for {found} after the move to {new}")


def require_healthy(client: Elasticsearch, alias: str, index: str) -> None:
    """Raise `PromotionConflictError` if `index` is red or a shard does not answer; replicas may be building."""
    status = client.cluster.health(index=index, filter_path="status")["status"]
    if status == "red":
        raise PromotionConflictError(alias, f"{index} is red: a primary shard is missing")
    answer = client.search(index=index, size=0, track_total_hits=False, allow_partial_search_results=False)
    shards = answer["_shards"]
    if shards["successful"] != shards["total"]:
        raise PromotionConflictError(
            alias, f"only {shards['successful']} of {shards['total']} shards of {index} answer"
        )
