"""A filesystem on another machine whose requests fail when a test wants them to."""

from __future__ import annotations

import io
from typing import Any, ClassVar

from fsspec.implementations.memory import MemoryFile, MemoryFileSystem


class TroubledFileSystem(MemoryFileSystem):
    """fsspec's filesystem in memory, on a bad day: after `calls` more requests each fails with `trouble`."""

    protocol = "troubled"
    store: ClassVar[dict[str, MemoryFile]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    trouble: Exception | None = None
    calls = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("troubled://", "memory://")))

    def request(self) -> None:
        """Count a request, or fail."""
        if self.trouble is not None and self.calls <= 0:
            raise self.trouble
        self.calls -= 1

    def info(self, path: str, **options: Any) -> Any:
        self.request()
        return super().info(path, **options)

    def find(self, path: str, **options: Any) -> Any:
        self.request()
        return super().find(path, **options)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        self.request()
        return bytes(super().cat_file(path, start, end, **options))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self.request()
        file = super()._open(path, mode, **options)
        return file if mode != "rb" else _TroubledFile(self, file.getvalue())


class _TroubledFile(io.BytesIO):
    def __init__(self, filesystem: TroubledFileSystem, content: bytes) -> None:
        super().__init__(content)
        self._filesystem = filesystem

    def read(self, size: int | None = -1) -> bytes:
        self._filesystem.request()
        return super().read(size)
