"""What tests of every kind share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own are closed to the one that runs Elasticsearch for root."""
    folder = Path(tempfile.mkdtemp(prefix="airlsh-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
