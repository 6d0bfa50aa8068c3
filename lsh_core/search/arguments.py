"""Checks arguments of the Python API: connection, index and waiting time. Pure: no I/O."""

from __future__ import annotations

from lsh_core.elastic.addresses import shown
from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.settings import check_name

_HOW = 'VectorIndex("packages", "http://127.0.0.1:9200")'


def name_and_connection(name: object, connection: object) -> tuple[str, Connection]:
    """Return the name of an index, and its connection; addresses may be a string.

    Raises
    ------
    SettingsError
        An argument is missing, has another type, or an invalid value.
    """
    if _is_connection(name) and not _is_connection(connection):
        raise ArgumentError("name", _shown(name), f"is where Elasticsearch is: the name stands first, {_HOW}")
    if name is None:
        raise ArgumentError("name", None, f"the name of the index is missing: {_HOW}")
    if not isinstance(name, str):
        raise ArgumentError("name", _shown(name), f"must be the name of an index, a text: {_HOW}")
    if not isinstance(connection, Connection | str):
        raise ArgumentError("connection", _shown(connection), f"must be addresses or a Connection: {_HOW}")
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError("name", _shown(name), str(error).replace(name, str(_shown(name)))) from None
    return name, connection if isinstance(connection, Connection) else Connection.from_urls(connection)


def _is_connection(given: object) -> bool:
    """Return whether an argument may be addresses, and cannot be the name of an index."""
    return isinstance(given, Connection) or (isinstance(given, str) and bool(set(given) & set(":/@,[")))


def _shown(given: object) -> object:
    """Return an argument for messages, without the password of an address."""
    if isinstance(given, str):
        return shown(given) if _is_connection(given) else given
    return given if given is None or isinstance(given, int | float) else type(given).__name__


def check_index(index: object) -> None:
    """Raise `SettingsError` unless the value can name one physical index."""
    if index is None:
        return
    if not isinstance(index, str):
        raise ArgumentError("index", index, "must be the name of one physical index, a text")
    if not index or index != index.lower() or set(index) & set(' ,*?"<>|\\/#:'):
        reason = "is not the name of one physical index, such as airlsh-packages-20261120t220000-1a2b3c"
        raise SettingsError("index", index, f"{reason}: `airlsh builds list` shows them")


def check_wait(seconds: object) -> None:
    """Raise `SettingsError` unless the value is a number of seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ArgumentError("wait_seconds", seconds, "must be a number of seconds")
    if not 0 <= seconds < float("inf"):
        raise SettingsError("wait_seconds", seconds, "must be 0 or more seconds")
