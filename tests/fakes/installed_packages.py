"""Packages of tests that count as installed, here and in processes that are started meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsh_core.sources.readers import readers

PLUGINS = Path(__file__).parent.parent / "plugins"


@contextmanager
def installed_reader(package: str) -> Iterator[None]:
    """Put the folder of `package` in `tests/plugins`, with its dist-info folder, on the path of Python."""
    folder, before = str(PLUGINS / package), os.environ.get("PYTHONPATH")
    sys.path.insert(0, folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, before)))
    readers.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(folder)
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
        readers.cache_clear()
