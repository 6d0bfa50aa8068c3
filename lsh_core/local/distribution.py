"""Provides the Elasticsearch distribution that nodes start from.

The distribution is the folder in ``ES_HOME``, or unpacked from Maven coordinates.

Unpacking is safe with concurrent or interrupted starts: each start unpacks into a separate folder, which gets its final
name in one step when it is complete.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsh_core.errors import StackError
from lsh_core.local.account import Account, can_reach
from lsh_core.local.machine import MEBIBYTE, cache_folder, check_disk

logger = logging.getLogger("lsh_core.local")

DEFAULT_VERSION = "9.5.4"
GROUP, ARTIFACT = "org.elasticsearch.distribution.integ-test-zip", "elasticsearch"
UNPACK_BYTES = 400 * MEBIBYTE
DOWNLOAD_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Distribution:
    """A folder with Elasticsearch's ``bin``, ``lib``, ``modules`` and ``config``."""

    home: Path


def find_distribution(
    version: str = DEFAULT_VERSION, *, account: Account | None = None, environment: Mapping[str, str] = os.environ
) -> Distribution:
    """Return the distribution in ``ES_HOME``, or else the one of `version`.

    The latter is fetched if it is not in the cache.

    Raises
    ------
    StackError
        ``ES_HOME`` holds no Elasticsearch, `account` may not read it, the disk is full, or the download fails.
    """
    named = environment.get("ES_HOME")
    if named:
        return _from_home(Path(named).expanduser().resolve(), account)
    folder = cache_folder() / f"elasticsearch-{version}"
    if not _is_distribution(folder):
        check_disk("elasticsearch", folder, UNPACK_BYTES)
        _install(version, folder)
    return Distribution(folder)


def _is_distribution(folder: Path) -> bool:
    return (folder / "bin" / "elasticsearch").is_file() and (folder / "config" / "jvm.options").is_file()


def _from_home(home: Path, account: Account | None) -> Distribution:
    if not _is_distribution(home):
        raise StackError(
            "elasticsearch",
            f"ES_HOME={home} holds no Elasticsearch (bin/elasticsearch and config/jvm.options)",
            remedy="Point ES_HOME to an unpacked Elasticsearch, or unset it and one is fetched.",
        )
    if not can_reach(account, home / "bin"):
        raise StackError(
            "elasticsearch",
            f"ES_HOME={home} may not be read by {account.name if account else 'you'}, who runs the nodes",
            remedy="Move it to a folder that everybody may enter, such as /opt.",
        )
    return Distribution(home)


def _install(version: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="unpacking-", dir=folder.parent) as temporary:
        staging = Path(temporary)
        unpacked = _unpack_known(version, staging) or _unpack(
            _download(version, staging / "maven"), staging / "fetched"
        )
        try:
            unpacked.rename(folder)
        except OSError:
            if not _is_distribution(folder):  # an incomplete folder, not one of a faster start: replace it
                shutil.rmtree(folder)
                unpacked.rename(folder)


def _unpack_known(version: str, staging: Path) -> Path | None:
    """Unpack the archive in Maven's cache on this machine; skip damaged files."""
    archive = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository").joinpath(
        *GROUP.split("."), ARTIFACT, version, f"{ARTIFACT}-{version}.zip"
    )
    if not archive.is_file():
        return None
    try:
        return _unpack(archive, staging / "known")
    except (StackError, OSError) as error:
        logger.warning("%s is damaged and is fetched again: %s", archive, error)
        return None


def _download(version: str, repository: Path) -> Path:
    try:
        from jgo.maven import MavenContext, PythonResolver

        context = MavenContext(
            resolver=PythonResolver(progress_callback=_show_download),
            repo_cache=repository,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
        )
        logger.info("fetching Elasticsearch %s (about 130 MB, once)", version)
        return Path(context.project(GROUP, ARTIFACT).at_version(version).artifact(packaging="zip").resolve())
    except Exception as error:  # jgo raises errors of its HTTP library, and RuntimeError for an unknown version
        raise StackError(
            "elasticsearch",
            f"version {version} cannot be fetched ({GROUP}:{ARTIFACT}): {type(error).__name__}: {error}",
            remedy="Check the network, set ES_HOME to an unpacked Elasticsearch, or AIRLSH_ES_URL to a running one.",
        ) from error


@contextmanager
def _show_download(name: str, total: int) -> Iterator[Callable[[int], None]]:
    from lsh_core.progress import progress

    with progress(f"fetching {name}", total, unit="bytes") as meter:
        yield meter.advance


def _unpack(archive: Path, target: Path) -> Path:
    """Unpack a distribution so that every account may read and run it; return its folder.

    Raises
    ------
    StackError
        The archive is truncated, damaged (each file's checksum is compared), or another kind of file.
    """
    logger.info("unpacking %s", archive.name)
    try:
        with zipfile.ZipFile(archive) as source:
            for entry in source.infolist():
                path = Path(source.extract(entry, target))
                runnable = entry.is_dir() or (entry.external_attr >> 16) & 0o100
                path.chmod(0o755 if runnable else 0o644)
    except zipfile.BadZipFile as error:
        raise StackError(
            "elasticsearch", f"{archive} is damaged: {error}", remedy="Try again: it is fetched anew."
        ) from error
    target.chmod(0o755)
    folders = [folder for folder in target.iterdir() if _is_distribution(folder)]
    if len(folders) != 1:
        raise StackError("elasticsearch", f"{archive} holds no Elasticsearch")
    return folders[0]
