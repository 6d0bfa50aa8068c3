"""Checks the locations in forms against allowed roots.

Users who can trigger a DAG must not read or write every file of the workers.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from lsh_core.errors import InputError, SettingsError

VARIABLE = "AIRLSH_SOURCE_ROOTS"
OUTPUT_VARIABLE = "AIRLSH_OUTPUT_ROOTS"

_WEB = ("http://", "https://")

# On POSIX the separator of paths is also the colon of s3://; a colon before "//" does not separate.
_SEPARATOR = re.compile(re.escape(os.pathsep) + r"(?!//)")


def allowed_roots(variable: str = VARIABLE) -> tuple[str, ...]:
    """Return the folders and URL prefixes that a variable of the environment lists."""
    return tuple(filter(None, (root.strip() for root in _SEPARATOR.split(os.environ.get(variable, "")))))


def check_source(url: str, *, setting: str = "source", version: str | None = None) -> None:
    """Raise `SettingsError` unless all files of `url` lie under an allowed root.

    A folder under a root may hold links that leave it, so files are checked one by one, with their companion files. For
    a table the log is checked, and the files that it names at `version`. Files outside the table's folder are never
    read.
    """
    roots = _roots_that_are_set(VARIABLE, "no source may be read", "/data/embeddings", url, setting)
    from lsh_core.sources.allowed_roots import check_allowed

    check_allowed(url, roots, setting=setting)
    for file in _local_files(url, version):
        check_allowed(file, roots, setting=setting)


def check_output(url: str, *, setting: str = "output") -> None:
    """Raise `SettingsError` unless `url` lies under an allowed output root."""
    roots = _roots_that_are_set(OUTPUT_VARIABLE, "nothing may be written", "/data/features", url, setting)
    from lsh_core.sources.allowed_roots import check_allowed

    check_allowed(url, roots, setting=setting)


def check_image_root(url: str) -> None:
    """Raise `SettingsError` unless images may be read from `url`.

    The URL must lie under an allowed root, or on an allowed web server.
    """
    if not url.startswith(_WEB):
        check_source(url, setting="image_root")
        return
    from lsh_core.features.public_http import under_roots

    if not under_roots(url, [root for root in allowed_roots() if root.startswith(_WEB)]):
        raise SettingsError("image_root", url, f"is outside the allowed places; list it in {VARIABLE}")


def check_weights(weights: str) -> None:
    """Raise `SettingsError` unless `weights` are allowed.

    Weights are a bare name, such as a preset, or lie under an allowed root.
    """
    from lsh_core.features.specification import NO_PATHS

    if weights in NO_PATHS:
        return
    if "/" in weights or os.sep in weights or os.path.exists(weights):
        check_source(weights, setting="weights")


def _roots_that_are_set(variable: str, forbidden: str, example: str, url: str, setting: str) -> tuple[str, ...]:
    """Return the roots that a variable lists.

    Raise `SettingsError` if it lists none, because then everything is forbidden.
    """
    roots = allowed_roots(variable)
    if not roots:
        reason = (
            f"{forbidden} by a DAG until {variable} is set in the environment of Airflow's workers: "
            f"folders and URL prefixes, separated by '{os.pathsep}', such as {example}{os.pathsep}s3://bucket/"
        )
        raise SettingsError(setting, url, reason)
    return roots


def _local_files(url: str, version: str | None) -> list[str]:
    from lsh_core.sources.listing import is_local, list_files, open_filesystem
    from lsh_core.sources.readers import files_beside
    from lsh_core.sources.source_files import table_files

    filesystem, _ = open_filesystem(url)
    if not is_local(filesystem):
        return []
    found: list[str] = []
    # The job itself reports unreadable sources, alike for every kind of source. Tables are listed in both ways: images
    # are read without a log.
    with suppress(InputError):
        # Includes entries that the listing of a job leaves out or stops at: no file that is read may be missing here.
        found += [file.url for file in list_files(url, irregular=True)]
    with suppress(InputError):
        found += files_beside(found)
    with suppress(InputError):
        found += table_files(url, version)
    return found
