"""A load of searches that costs the machine next to nothing, so that the server is the bottleneck.

    figures = measure(urls, index, bodies, connections=8, seconds=10)

The requests are made before the clock starts: each connection gets its own part of the bodies, with the heads of HTTP
in front, as bytes. A process of its own, one thread with non-blocking sockets, writes a request whenever a connection
is free, and reads until the answer ends. Of an answer it parses nothing: that the status is 200, that the length is
whole (a content length, or the last chunk) and that there is no error in it is all that is looked at; ten answers a
connection are kept, and are parsed after the clock stops. A request costs some 10 microseconds of CPU this way.
"""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import orjson

from lsh_core.models.effort import Effort
from lsh_core.search.queries import search_lines
from lsh_core.search.searchable_build import SearchableBuild

KEPT = 10
_HEAD = (
    "POST /_msearch HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-ndjson\r\naccept: application/json\r\n"
    "content-length: {length}\r\n\r\n"
)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Figures:
    """What a load came to: searches a second, milliseconds by percentile, and the client's share of one core."""

    connections: int
    searches: int
    per_second: float
    p50_ms: float
    p99_ms: float
    client_cpu: float
    hits: float


class Connection:
    """One connection with its requests, which are sent in turn, over and over."""

    def __init__(self, url: str, requests: Sequence[bytes]) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname, place.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = itertools.cycle(requests)
        self.read = bytearray()
        self.started = 0.0
        self.kept: list[bytes] = []

    def send(self) -> None:
        """Send the next request."""
        self.read.clear()
        self.started = time.perf_counter()
        self.socket.sendall(next(self.requests))

    def receive(self) -> float | None:
        """Read what has come; return the seconds of the request where its answer is whole."""
        more = self.socket.recv(2**18)
        if not more:
            raise ConnectionError("the server closed a connection")
        self.read += more
        if not is_whole(self.read):
            return None
        seconds = time.perf_counter() - self.started
        if not self.read.startswith(b"HTTP/1.1 200") or b'"error":' in self.read:
            raise ValueError(f"the server answers {bytes(self.read[:500])!r}")
        if len(self.kept) < KEPT:
            self.kept.append(bytes(self.read))
        return seconds


def is_whole(answer: bytes | bytearray) -> bool:
    """Return whether an answer has ended: by its content length, or with the last chunk."""
    if answer.endswith(_LAST_CHUNK):
        return True
    head, end, _ = bytes(answer[:4096]).partition(b"\r\n\r\n")
    _, found, length = head.lower().partition(b"content-length:")
    return bool(end and found) and len(answer) - len(head) - 4 >= int(length.split(b"\r\n", 1)[0])


def body_of(answer: bytes) -> bytes:
    """Return the body of a whole answer."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        return rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


def request(url: str, index: str, body: bytes) -> bytes:
    """Return the bytes of one search: `body` is the JSON of a search."""
    header = orjson.dumps({"index": index, "allow_partial_search_results": False})
    lines = b"%b\n%b\n" % (header, body)
    return _HEAD.format(host=urlsplit(url).netloc, length=len(lines)).encode() + lines


def search_bodies(build: SearchableBuild, vectors: np.ndarray, *, k: int, effort: Effort) -> list[bytes]:
    """Return the JSON of a search for each of `vectors`, (q, d), as `VectorIndex.search` sends it without fields."""
    strategy, bodies = build.field.strategy, []
    for vector, codes in zip(vectors, build.model.tokens_for(vectors, effort), strict=True):
        words = build.field.tokens.words(codes)
        query = strategy.by_vector(vector, words, k=k, effort=effort, shards=build.shards, fields=())
        bodies.append(search_lines(build.index, [query]).split(b"\n")[1])
    return bodies


def measure(urls: Sequence[str], index: str, bodies: Sequence[bytes], connections: int, seconds: float) -> Figures:
    """Search `index` with `bodies`, in a process of its own, and return what came of it.

    Parameters
    ----------
    urls
        Nodes, ``http://host:port``; connection i goes to node i mod n.
    bodies
        The JSON of each search. Distinct ones, 2,000 or more: a server remembers what it was asked last.
    connections
        Searches at any time.
    seconds
        How long, after a second that is not counted.
    """
    requests = [
        [request(urls[number % len(urls)], index, body) for body in bodies[number::connections]]
        for number in range(connections)
    ]
    with tempfile.TemporaryDirectory(prefix="airlsh-load-") as folder:
        path = Path(folder) / "requests.json"
        texts = [[each.decode("latin-1") for each in some] for some in requests]
        path.write_text(json.dumps({"urls": list(urls), "requests": texts, "seconds": seconds}))
        done = subprocess.run([sys.executable, __file__, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Figures(**json.loads(done.stdout))


def run(urls: Sequence[str], requests: Sequence[Sequence[bytes]], seconds: float) -> Figures:
    """Send the requests of each connection for so long, and one second before."""
    opened = [Connection(urls[number % len(urls)], some) for number, some in enumerate(requests)]
    with selectors.DefaultSelector() as selector:
        for each in opened:
            selector.register(each.socket, selectors.EVENT_READ, each)
            each.send()
        _turns(selector, 1.0)
        for each in opened:
            each.kept.clear()
        started, cpu = time.perf_counter(), time.process_time()
        times = _turns(selector, seconds)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    quantiles = statistics.quantiles(times, n=100)
    return Figures(
        connections=len(opened),
        searches=len(times),
        per_second=round(len(times) / wall, 1),
        p50_ms=round(1000 * quantiles[49], 3),
        p99_ms=round(1000 * quantiles[98], 3),
        client_cpu=round(cpu / wall, 3),
        hits=statistics.mean(hits_of(answer) for each in opened for answer in each.kept),
    )


def hits_of(answer: bytes) -> int:
    """Return the number of hits of an answer; raise `ValueError` unless it is whole, without any failure."""
    (response,) = orjson.loads(body_of(answer))["responses"]
    if response["status"] != 200 or response["timed_out"] or response["_shards"]["failed"]:
        raise ValueError(f"a search failed: {response}")
    return len(response["hits"]["hits"])


def _turns(selector: selectors.BaseSelector, seconds: float) -> list[float]:
    """Answer each answer with the next request, for so long; return the seconds of each."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for key, _ in selector.select(timeout=30):
            taken = key.data.receive()
            if taken is not None:
                times.append(taken)
                key.data.send()
    return times


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    ready = [[each.encode("latin-1") for each in some] for some in given["requests"]]
    sys.stdout.write(json.dumps(asdict(run(given["urls"], ready, given["seconds"]))))
