"""Errors of tasks arrive on a client that has not the packages of the workers."""

from __future__ import annotations

import sys
import types

import pytest

from lsh_core.errors import WeightsError
from lsh_core.jobs.dask.picklable_errors import picklable_errors


def fail() -> None:
    from only_on_workers import TheirError  # type: ignore[import-not-found]

    cause = TheirError("cannot be read")
    raise WeightsError("text", "here", str(cause), ("a folder",)) from cause


@pytest.mark.parametrize(("task", "arrives"), [(fail, False), (picklable_errors(fail), True)], ids=["as is", "alone"])
def test_an_error_arrives_where_its_cause_is_not_installed(
    task: types.FunctionType, arrives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed.core import clean_exception, error_message

    theirs = types.ModuleType("only_on_workers")
    theirs.TheirError = type("TheirError", (Exception,), {"__module__": theirs.__name__})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, theirs.__name__, theirs)
    with pytest.raises(WeightsError) as caught:
        task()
    sent = error_message(caught.value)["exception"].data
    monkeypatch.delitem(sys.modules, theirs.__name__)
    _, error, _ = clean_exception(sent, None)
    assert isinstance(error, WeightsError) is arrives
    assert "cannot be read" in str(caught.value)
