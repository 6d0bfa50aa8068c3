"""Writes the report of an evaluation: page, drawings and figures."""

from __future__ import annotations

import orjson

from lsh_core.evaluation.evaluation_report import EvaluationReport
from lsh_core.sources.listing import is_local, open_filesystem
from lsh_core.sources.storage_errors import translate_errors
from lsh_core.sources.writable_folders import inside

_JSON = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS
"""The server returns keys in any order; equal figures make equal files."""


def write_report(result: EvaluationReport, folder: str) -> str:
    """Write ``NAME-BUILD.html``, drawings ``NAME-BUILD-*.svg`` and ``NAME-BUILD.json``, replacing older files.

    The page is self-contained, and is written last.

    Returns
    -------
    str
        Path or URL of the page.

    Raises
    ------
    SourceError, SourceUnavailableError
        See `lsh_core.sources.writable_folders.check_writable`.
    """
    from lsh_core.evaluation.drawings import drawings
    from lsh_core.evaluation.report_page import report_page

    shown = list(drawings(result))
    stem = f"{result.name}-{result.build}".replace("/", "_")
    page = f"{stem}.html"
    files = {f"{stem}-{each.key}.svg": each.svg.encode() for each in shown}
    files[f"{stem}.json"] = orjson.dumps(result.to_json(), option=_JSON)
    files[page] = report_page(result, shown).encode()
    filesystem, path = open_filesystem(folder)
    with translate_errors(folder, "cannot be written to", local=is_local(filesystem)):
        filesystem.makedirs(path, exist_ok=True)
        for name, content in files.items():
            filesystem.pipe_file(inside(path, name), content)
    written = inside(path, page)
    return written if is_local(filesystem) else filesystem.unstrip_protocol(written)
