"""When a task is tried again.

Every stage may be repeated: the ledger knows what is done, and a retry works on the same build. What
is not repeated is what would only fail again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from lsh_core import errors

FINAL_ERRORS = tuple(
    f"{error.__module__}.{error.__qualname__}"
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.AirlshError) and error.final
)

REPEATABLE: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule(exception=list(FINAL_ERRORS), action=RetryAction.FAIL, reason="repeating it cannot help")]
    ),
}
"""``default_args`` of the DAGs."""
