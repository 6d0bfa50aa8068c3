"""Turns a security exception into an error that names the missing privilege. Pure: no I/O."""

from __future__ import annotations

import re

from lsh_core.errors import AccessError

SECURITY = "security_exception"
_UNAUTHORIZED = re.compile(
    r"action \[(?P<action>[^\]]+)\] is unauthorized for (?:API key id \[[^\]]*\] of )?user \[(?P<user>[^\]]+)\]"
    r"(?:.*? on indices \[(?P<indices>[^\]]*)\])?(?:.*?by the (?:index|cluster) privileges \[(?P<granting>[^\]]+)\])?"
)


def access_error(status: int, reason: str) -> AccessError:
    """Return the error of a `security_exception`.

    It names the user, the privilege and the resource, if `reason` does.
    """
    match = _UNAUTHORIZED.search(reason)
    if match is None:
        return AccessError(status, reason)
    return AccessError(
        status,
        reason.partition(", this action")[0],
        user=match["user"],
        action=match["action"],
        indices=tuple(filter(None, (match["indices"] or "").split(","))),
        privileges=tuple((match["granting"] or "").split(",")) if match["granting"] else (),
    )
