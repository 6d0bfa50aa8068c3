"""Frame of every command: logs, exit codes and JSON output.

Logs go to standard error. An error becomes one sentence there, and an exit code.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lsh_core.errors import AirlshError, SettingsError
from lsh_core.redaction import redact

if TYPE_CHECKING:
    from lsh_core.jobs.services import Services

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def services(es: str | None, dask: str | None = None) -> Services:
    """Return the services to use; see `lsh_core.local.connect.find_services`."""
    from lsh_core.local.connect import find_services

    return find_services(es, dask)


def dask_address(dask: str | None) -> str | None:
    """Return the address of the Dask scheduler for a verb that needs no Elasticsearch.

    The address is `dask`, or that of the running local stack. None: the verb starts its own two workers.
    """
    from lsh_core.local.state import running_stack

    stack = None if dask else running_stack()
    return dask or (stack.dask if stack else None) or None


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
    click.echo(orjson.dumps(document, option=options).decode())


def is_of_output(error: OSError) -> bool:
    """Return whether printing raised the error, for example on a full disk."""
    *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
    return innermost.f_code is click.echo.__code__


@contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Run a command: set up logging, and report its errors.

    An error becomes a message on standard error and an exit code.
    """
    from lsh_core.elastic.refusals import named_error

    try:
        _log_to_stderr()
        yield
    except AirlshError as error:
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
        _fail(f"{error}{notes}", error.exit_code, as_json=as_json, kind=type(error).__name__, error=error)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED, as_json=as_json, kind="KeyboardInterrupt", error=None)
    except SystemExit as ending:  # Raised by a signal; see `signals_as_exceptions`.
        _fail("terminated by a signal", int(ending.code or 0), as_json=as_json, kind="SystemExit", error=None)
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_of_output(error):
            raise  # `lsh_core.cli.main` reports it: a JSON document could not be printed either.
        named = named_error(error)
        if named is not None:
            _fail(str(named), named.exit_code, as_json=as_json, kind=type(named).__name__, error=error)
        _fail(
            redact(f"{type(error).__name__}: {error}"), FAILED, as_json=as_json, kind=type(error).__name__, error=error
        )


def _fail(message: str, code: int, *, as_json: bool, kind: str, error: BaseException | None) -> NoReturn:
    if error is not None and os.environ.get("AIRLSH_DEBUG"):
        logging.getLogger("lsh_core").error("", exc_info=error)
    click.echo(f"airlsh: {message}", err=True)
    if as_json:
        print_json({"error": {"type": kind, "message": message}})
    sys.exit(code)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    root = logging.getLogger("lsh_core")
    root.handlers[:] = [handler]
    root.propagate = False
    level = os.environ.get("AIRLSH_LOG_LEVEL") or "INFO"
    if level.upper() not in _LEVELS:
        raise SettingsError("AIRLSH_LOG_LEVEL", level, f"must be one of {', '.join(_LEVELS)}")
    root.setLevel(level.upper())
