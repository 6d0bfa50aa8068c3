from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lsh_core.models.threads import one_blas_thread


def blas_threads():
    """Threads of numpy's own BLAS: another library that some other test imports may bring one as well."""
    return {
        pool["num_threads"]
        for pool in threadpool_info()
        if pool["user_api"] == "blas" and "numpy" in Path(pool["filepath"]).parent.name
    }


def test_one_inside_and_as_before_outside():
    with threadpool_limits(2, user_api="blas"):
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def test_the_last_to_leave_lifts_the_limit():
    inside, leave = Barrier(3), Barrier(2)

    def stay(last):
        with one_blas_thread():
            inside.wait(10)
            if last:
                leave.wait(10)

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(2) as pool:
        first, last = pool.submit(stay, False), pool.submit(stay, True)
        inside.wait(10)
        first.result(10)
        assert blas_threads() == {1}
        leave.wait(10)
        last.result(10)
        assert blas_threads() == {2}


def test_an_error_lifts_it_too():
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ZeroDivisionError), one_blas_thread():
            1 / 0  # noqa: B018
        assert blas_threads() == {2}
