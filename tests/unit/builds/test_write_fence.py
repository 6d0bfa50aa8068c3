"""Write fences keep their names: a fence that is read back equals the fence that was written."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds.write_fence import WriteFence, read_write_fence
from lsh_core.errors import LoadError
from tests.fakes.one_client import cluster_of


class _Aliases:
    """A client that knows the aliases of one index."""

    def __init__(self, *names: str) -> None:
        self._names, self.indices = names, self

    def get_alias(self, *, index: str) -> dict[str, Any]:
        return {index: {"aliases": {name: {} for name in self._names}}}


@pytest.mark.parametrize("fence", [WriteFence(True, 1), WriteFence(False, 0), WriteFence(True, 4321)])
@pytest.mark.parametrize("build", ["20261120t225340-1f0c3a", "b-1-2"])
def test_a_fence_is_read_from_its_alias(fence: WriteFence, build: str) -> None:
    client: Any = _Aliases("docs", fence.alias(build), "airlsh-live-docs", f"airlsh-w-{build}-other-7")
    assert read_write_fence(cluster_of(client), "i", build) == fence


@pytest.mark.parametrize("aliases", [(), ("airlsh-w-b1-1", "airlsh-c-b1-1"), ("airlsh-w-b2-1",)])
def test_an_index_without_exactly_one_fence_is_refused(aliases: tuple[str, ...]) -> None:
    client: Any = _Aliases(*aliases)
    with pytest.raises(LoadError, match="write fence"):
        read_write_fence(cluster_of(client), "i", "b1")
