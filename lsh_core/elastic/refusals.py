"""Turns errors of the Elasticsearch client into errors of airlsh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elastic_transport import SerializationError, TransportError
from elasticsearch import ApiError

from lsh_core.elastic.bulk_answers import RETRYABLE_STATUSES
from lsh_core.elastic.missing_privileges import access_error
from lsh_core.errors import (
    AirlshError,
    BusyError,
    RequestRefusedError,
    UnavailableError,
    UnexpectedError,
)

REQUEST = "airlsh_request"
"""Attribute of client errors that holds the request, such as ``PUT /airlsh-runs``; see `naming_client`."""

_MAX_REASON = 600
_LATER = RETRYABLE_STATUSES | {408, 409}
_FORESEEN = (OSError, MemoryError, SystemError)
_FAULTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError, AssertionError)
_BLOCKED = "cluster_block_exception"


@contextmanager
def errors_named() -> Iterator[None]:
    """Raise errors of the Elasticsearch client and of other libraries as airlsh errors.

    It is also a decorator. Retryable errors that are not answers of Elasticsearch, such as `OSError`, are not changed.
    """
    try:
        yield
    except AirlshError:
        raise
    except Exception as error:
        if (named := named_error(error)) is None:
            raise
        raise named from error


def named_error(error: BaseException) -> AirlshError | None:
    """Return the airlsh error for an error of another library.

    None means that the error is retryable.
    """

    if isinstance(error, ApiError):
        return refusal_of(error)
    if isinstance(error, SerializationError):
        return UnexpectedError(type(error).__name__, said_by(error))
    if isinstance(error, TransportError):
        request = f"{asked}: " if (asked := getattr(error, REQUEST, "")) else ""
        return UnavailableError("Elasticsearch", 0, request + said_by(error))
    if isinstance(error, _FORESEEN):
        return None
    if isinstance(error, _FAULTS) or type(error).__module__.partition(".")[0] == "pyarrow":
        return UnexpectedError(type(error).__name__, str(error) or "no reason given")
    return None


def said_by(error: Exception | None) -> str:
    """Return the reason of a client error.

    The text of a `TransportError` omits its cause.
    """
    text = str(error.message) if isinstance(error, TransportError) else str(error)
    return re.sub(r"^\w+\([^()]*\): |<[^<>]* object at 0x\w+>: ", "", text)


def refusal_of(error: ApiError, purpose: str | None = None) -> AirlshError:
    """Return the airlsh error for an answer with an error status.

    Parameters
    ----------
    purpose
        Request in words, such as ``the index airlsh-packages-1``; default: its method and path.
    """
    reason = reason_of(error)
    if error.status_code in (401, 403) and error.error != _BLOCKED:
        return access_error(error.status_code, reason)
    what = purpose or str(getattr(error, REQUEST, "a request"))
    if error.status_code in _LATER:
        return BusyError(what, error.status_code, reason)
    return RequestRefusedError(what, error.status_code, reason)


def reason_of(error: ApiError) -> str:
    """Return the distinct reasons in an answer, outermost first."""
    body = error.body
    found = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        return str(found or body or error)[:_MAX_REASON]
    reasons = list(dict.fromkeys(_reasons(found)))
    # An outer reason often repeats an inner reason behind a prefix, or only points to it.
    kept = [each for place, each in enumerate(reasons) if not any(each in other for other in reasons[:place])]
    return ": ".join(kept)[:_MAX_REASON] or str(error)


def _reasons(found: Mapping[str, Any]) -> Iterator[str]:
    for root in found.get("root_cause", ()):
        if reason := root.get("reason"):
            yield str(reason)
    inner: Any = found
    while isinstance(inner, Mapping):
        if reason := inner.get("reason"):
            yield str(reason)
        inner = inner.get("caused_by")
