"""Retry policy of tasks.

Every stage may be retried: the ledger holds the loaded chunks, and a retry works on the same build. Final errors, which
would only repeat, are not retried.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from lsh_core import errors

_ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.AirlshError)]
FINAL_ERRORS = tuple(f"{error.__module__}.{error.__qualname__}" for error in _ERRORS if error.final)
RETRYABLE_ERRORS = tuple(f"{error.__module__}.{error.__qualname__}" for error in _ERRORS if not error.final)
_HELD = f"{errors.LeaseHeldError.__module__}.{errors.LeaseHeldError.__qualname__}"

REPEATABLE: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(
                exception=_HELD,
                action=RetryAction.RETRY,
                retry_delay=timedelta(minutes=1),
                reason="another run is alive",
            ),
            # Only these classes themselves, without subclasses: some have final subclasses or final base classes.
            RetryRule(exception=list(RETRYABLE_ERRORS), action=RetryAction.DEFAULT, match_subclasses=False),
            RetryRule(exception=list(FINAL_ERRORS), action=RetryAction.FAIL, reason="repeating it cannot help"),
        ]
    ),
}
"""``default_args`` of the DAGs."""
