"""Arguments of the Python API: where Elasticsearch is, which index, and one query. Pure: no I/O."""

from __future__ import annotations

from pathlib import Path

from lsh_core.elastic.addresses import shown
from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.search.filter_values import is_unicode
from lsh_core.settings import check_name

_HOW = 'VectorIndex("http://127.0.0.1:9200", "packages")'


def connection_and_name(connection: object, name: object) -> tuple[Connection, str]:
    """Return the connection and the name of an index, given in either order; addresses may be a text.

    Raises
    ------
    SettingsError
        One of them is missing, is of another kind, or cannot be what it is.
    """
    if _is_connection(name) and not _is_connection(connection):
        connection, name = name, connection
    if not _is_connection(connection) and (not isinstance(connection, str) or name is None):
        raise ArgumentError("connection", _shown(connection), f"is not where Elasticsearch is: {_HOW}")
    if name is None:
        raise ArgumentError("name", None, f"the name of the index is missing: {_HOW}")
    if not isinstance(name, str):
        raise ArgumentError("name", _shown(name), f"must be the name of an index, a text: {_HOW}")
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError("name", _shown(name), str(error).replace(name, str(_shown(name)))) from None
    return connection if isinstance(connection, Connection) else Connection.from_urls(str(connection)), name


def _is_connection(given: object) -> bool:
    """Return whether an argument cannot be the name of an index, and may be addresses."""
    return isinstance(given, Connection) or (isinstance(given, str) and bool(set(given) & set(":/@,[")))


def _shown(given: object) -> object:
    """Return an argument as errors may hold it: without the password of an address."""
    if isinstance(given, str):
        return shown(given) if _is_connection(given) else given
    return given if given is None or isinstance(given, int | float) else type(given).__name__


def check_index(index: object) -> None:
    """Raise `SettingsError` for what cannot be one physical index."""
    if index is None:
        return
    if not isinstance(index, str):
        raise ArgumentError("index", index, "must be the name of one physical index, a text")
    if not index or index != index.lower() or set(index) & set(' ,*?"<>|\\/#:'):
        reason = "is not the name of one physical index, such as airlsh-packages-20261120t220000-1a2b3c"
        raise SettingsError("index", index, f"{reason}: `airlsh builds list` shows them")


def check_wait(seconds: object) -> None:
    """Raise `SettingsError` for what is no number of seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ArgumentError("wait_seconds", seconds, "must be a number of seconds")
    if not 0 <= seconds < float("inf"):
        raise SettingsError("wait_seconds", seconds, "must be 0 or more seconds")


def check_text_and_image(text: object, image: object) -> None:
    """Raise `ArgumentError` for a text that is none, or an image that is neither its bytes nor its path."""
    if text is not None and not isinstance(text, str):
        raise ArgumentError("text_query", text, "must be a text, which the index's encoder turns into a vector")
    if text is not None and not is_unicode(text):
        raise SettingsError("text_query", text, "is not Unicode text, as it holds half of a surrogate pair")
    if image is not None and not isinstance(image, bytes | str | Path):
        raise ArgumentError("image", image, "must be the bytes of an image file, or its path")
