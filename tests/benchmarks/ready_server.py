"""A server that answers searches with ready bytes, in a process of its own, so that a client alone is measured.

    python tests/benchmarks/ready_server.py    # prints its address, and serves until it is ended

Each connection has a thread. An answer has one response for each search of a request, with ten hits, in the form of
Elasticsearch's: chunked, with ids in doc values.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HITS = 10
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n"
    b"content-type: application/vnd.elasticsearch+json;compatible-with=9\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_HIT = b'{"_index":"airlsh-bench-b1","_id":"%d","_score":%.7f,"fields":{"airlsh.id":["%d"]}}'
_RESPONSE = (
    b'{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":'
    b'{"value":4500,"relation":"eq"},"max_score":0.9,"hits":[%b]},"status":200}'
    % b",".join(_HIT % (n, 0.9 - n / 100, n) for n in range(10**6, 10**6 + HITS))
)


@contextmanager
def ready_server() -> Iterator[str]:
    """Run the server; yield its address."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def answer(searches: int) -> bytes:
    """Return the bytes of an answer to `searches` searches."""
    body = b'{"took":1,"responses":[%b]}' % b",".join([_RESPONSE] * searches)
    return b"%b%x\r\n%b\r\n0\r\n\r\n" % (_HEAD, len(body), body)


def serve(connection: socket.socket, answers: dict[int, bytes]) -> None:
    """Answer the requests of one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    read = b""
    with connection, suppress(OSError):
        while True:
            head, end, body = read.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if end and len(body) >= size:
                searches = body.count(b"\n", 0, size) // 2
                if searches not in answers:
                    answers[searches] = answer(searches)
                connection.sendall(answers[searches])
                read = body[size:]
            elif more := connection.recv(2**20):
                read += more
            else:
                return


def main() -> None:
    """Serve on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.getsockname()[1]}\n")
        sys.stdout.flush()
        answers: dict[int, bytes] = {}
        while True:
            threading.Thread(target=serve, args=(server.accept()[0], answers), daemon=True).start()


if __name__ == "__main__":
    main()
