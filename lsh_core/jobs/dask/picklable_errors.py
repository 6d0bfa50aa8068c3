"""Errors that a task on Dask raises, as whoever waits for it gets them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lsh_core.elastic.refusals import errors_named
from lsh_core.errors import AirlshError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def picklable_errors(task: Callable[_P, _T]) -> Callable[_P, _T]:
    """Have a task raise airlsh's errors without what caused them.

    Dask sends an error with its causes, and where one of these is of a package that is only on the workers, such as
    TensorFlow, nothing of the error can be read. What matters of a cause is in the message.
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
