"""Which sources a form may name: whoever can trigger a DAG must not read every file of the workers."""

from __future__ import annotations

import os
import re

from lsh_core.errors import SettingsError, SourceError

VARIABLE = "AIRLSH_SOURCE_ROOTS"

# The separator of paths on POSIX is also the colon of s3://: only one that no "//" follows separates.
_SEPARATOR = re.compile(re.escape(os.pathsep) + r"(?!//)")


def allowed_roots() -> tuple[str, ...]:
    """Return the folders and URL prefixes that ``AIRLSH_SOURCE_ROOTS`` lists."""
    return tuple(filter(None, (root.strip() for root in _SEPARATOR.split(os.environ.get(VARIABLE, "")))))


def check_source(url: str, *, setting: str = "source") -> None:
    """Raise `SettingsError` unless `url`, and on this machine each file that it means, lies under an allowed root.

    A folder under a root may hold links that leave it, so the files are looked at one by one.
    """
    roots = allowed_roots()
    if not roots:
        reason = (
            f"no source may be read by a DAG until {VARIABLE} is set in the environment of Airflow's workers: "
            f"folders and URL prefixes, separated by '{os.pathsep}', such as /data/embeddings{os.pathsep}s3://bucket/"
        )
        raise SettingsError(setting, url, reason)
    from lsh_core.sources.access import check_allowed

    check_allowed(url, roots, setting=setting)
    for file in _local_files(url):
        check_allowed(file, roots, setting=setting)


def _local_files(url: str) -> list[str]:
    from lsh_core.sources.listing import is_local, list_files, open_filesystem

    filesystem, _ = open_filesystem(url)
    if not is_local(filesystem):
        return []
    try:
        return [file.url for file in list_files(url)]
    except SourceError:
        return []  # nothing is there: the job says so, for every kind of source alike
