"""How property tests run: no deadlines, since a shared machine has its slow moments."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("airlsh", deadline=None, print_blob=True)
settings.load_profile("airlsh")
