"""CPU seconds and peak memory of clients and servers over a block of a benchmark."""

from __future__ import annotations

import os
import threading
import time

import psutil

from lsh_core.jobs.services import Services

SAMPLE_SECONDS = 0.1
SERVER_SAMPLE_SECONDS = 1.0


class Processes:
    """CPU seconds of client and server processes over a block, and their peak memory.

    Clients are this process, which stands for the command, and the Dask workers. Their memory is the proportional set
    size, sampled ten times a second. Servers are the Elasticsearch nodes that run on this machine. The heap in use and
    the bytes of all indices are sampled once a second, so short peaks between garbage collections count as well.
    """

    def __init__(self, services: Services) -> None:
        from distributed import Client

        with Client(services.dask, set_as_default=False) as client:
            pids = client.run(os.getpid).values()
        self._command = psutil.Process()
        self._workers = [psutil.Process(pid) for pid in pids]
        self._client = services.connection.client()
        ports = {int(url.rsplit(":", 1)[1]) for url in services.connection.urls}
        self._servers = [
            psutil.Process(connection.pid)
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports and connection.pid
        ]
        self._peaks = dict.fromkeys(("client", "command", "workers", "heap", "disk"), 0.0)

    @property
    def _clients(self) -> list[psutil.Process]:
        return [self._command, *self._workers]

    def __enter__(self) -> Processes:
        self._started = time.perf_counter()
        self._client_cpu, self._server_cpu = cpu(self._clients), cpu(self._servers)
        self._stopped = threading.Event()
        self._samplers = [threading.Thread(target=each, daemon=True) for each in (self._memory, self._server)]
        for sampler in self._samplers:
            sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._seconds = time.perf_counter() - self._started
        self._stopped.set()
        for sampler in self._samplers:
            sampler.join()
        self._client_cpu = cpu(self._clients) - self._client_cpu
        self._server_cpu = cpu(self._servers) - self._server_cpu

    def _memory(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            command = self._command.memory_full_info().pss
            workers = sum(each.memory_full_info().pss for each in self._workers)
            self._raise(client=command + workers, command=command, workers=workers)

    def _server(self) -> None:
        while not self._stopped.wait(SERVER_SAMPLE_SECONDS):
            nodes = self._client.nodes.stats(metric=["jvm", "indices"], index_metric="store")["nodes"].values()
            self._raise(
                heap=sum(node["jvm"]["mem"]["heap_used_in_bytes"] for node in nodes),
                disk=sum(node["indices"]["store"]["size_in_bytes"] for node in nodes),
            )

    def _raise(self, **found: float) -> None:
        for name, size in found.items():
            self._peaks[name] = max(self._peaks[name], size)

    def figures(self) -> dict[str, float]:
        """Return seconds, CPU seconds and peaks in MB."""
        return {
            "seconds": round(self._seconds, 3),
            "client_cpu_seconds": round(self._client_cpu, 3),
            "server_cpu_seconds": round(self._server_cpu, 3),
            **{f"peak_{name}_megabytes": round(size / 1e6, 1) for name, size in self._peaks.items()},
        }


def cpu(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds of `processes` so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)
