"""Accounts of a build: sums over its ledger entries.

The sums are computed while the entries stream by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from lsh_core.builds.node_load import NodeLoad
from lsh_core.loading.ledger import LedgerEntry, RowSample
from lsh_core.loading.node_stats import NodeStats

_MAX_SAMPLES = 400


class Accounts:
    """Sums over ledger entries; no entry is kept.

    Attributes
    ----------
    chunks, rows_read, dead_lettered, rows_beyond_norm
        Sums over all entries that `follow` has yielded.
    missing
        Chunks without an entry.
    """

    def __init__(self) -> None:
        self.chunks = self.missing = self.rows_read = self.dead_lettered = self.rows_beyond_norm = 0
        self._samples: list[RowSample] = []
        self._seen = 0
        self._step = 1
        self._home_chunks: Counter[str] = Counter()
        self._nodes: defaultdict[str, NodeStats] = defaultdict(NodeStats)
        self._seconds: Counter[str] = Counter()

    def follow(self, entries: Iterable[LedgerEntry | None]) -> Iterator[LedgerEntry]:
        """Yield the entries that are not None, and add them up."""
        for entry in entries:
            if entry is None:
                self.missing += 1
                continue
            self.chunks += 1
            self.rows_read += entry.rows_read
            self.dead_lettered += entry.dead_lettered
            self.rows_beyond_norm += entry.rows_beyond_norm
            self._home_chunks[entry.node] += 1
            for node, tally in entry.nodes.items():
                self._nodes[node].add(tally)
            self._seconds.update(entry.seconds)
            for sample in entry.samples:
                self._keep(sample)
            yield entry

    def samples(self) -> list[RowSample]:
        """Return some hundreds of samples, evenly spread over the entries."""
        return list(self._samples)

    def nodes(self, urls: Iterable[str]) -> tuple[NodeLoad, ...]:
        """Return the chunks and load statistics of each node."""
        return tuple(
            self._nodes[node].to_report(node, self._home_chunks[node]) for node in dict.fromkeys((*urls, *self._nodes))
        )

    def work_seconds(self) -> dict[str, float]:
        """Return the seconds of all workers together, by type of work."""
        return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}

    def _keep(self, sample: RowSample) -> None:
        """Keep every n-th sample.

        n doubles whenever there are twice as many samples as needed.
        """
        if self._seen % self._step == 0:
            self._samples.append(sample)
            if len(self._samples) >= 2 * _MAX_SAMPLES:
                del self._samples[1::2]
                self._step *= 2
        self._seen += 1
