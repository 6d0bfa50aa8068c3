"""Makes errors of Dask tasks picklable for the waiting process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import AirlshError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def picklable_errors(task: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a task to raise airlsh's errors without their causes.

    Dask sends an error with its causes. If a cause is of a package that only the workers have, such as TensorFlow, the
    whole error is unreadable. The message of the error contains what matters of the cause.
    """

    @functools.wraps(task)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            with errors_named():
                return task(*args, **kwargs)
        except AirlshError as error:
            error.__cause__ = error.__context__ = None
            raise

    return run
