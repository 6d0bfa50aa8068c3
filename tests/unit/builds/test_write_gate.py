"""The gate's names: what is read back is what was written, for every build and epoch."""

from __future__ import annotations

from typing import Any

import pytest

from lsh_core.builds.write_gate import WriteFence, read_write_fence
from lsh_core.errors import LoadError
from tests.fakes.one_client import cluster_of


class _Aliases:
    """A client that knows the aliases of one index."""

    def __init__(self, *names: str) -> None:
        self._names, self.indices = names, self

    def get_alias(self, *, index: str) -> dict[str, Any]:
        return {index: {"aliases": {name: {} for name in self._names}}}


@pytest.mark.parametrize("gate", [WriteFence(True, 1), WriteFence(False, 0), WriteFence(True, 4321)])
@pytest.mark.parametrize("build", ["20261120t225340-1f0c3a", "b-1-2"])
def test_a_gate_is_read_from_its_alias(gate: WriteFence, build: str) -> None:
    client: Any = _Aliases("docs", gate.alias(build), "airlsh-live-docs", f"airlsh-w-{build}-other-7")
    assert read_write_fence(cluster_of(client), "i", build) == gate


@pytest.mark.parametrize("aliases", [(), ("airlsh-w-b1-1", "airlsh-c-b1-1"), ("airlsh-w-b2-1",)])
def test_an_index_without_exactly_one_gate_is_refused(aliases: tuple[str, ...]) -> None:
    client: Any = _Aliases(*aliases)
    with pytest.raises(LoadError, match="write fence"):
        read_write_fence(cluster_of(client), "i", "b1")
