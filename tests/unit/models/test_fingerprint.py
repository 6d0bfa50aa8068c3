from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lsh_core.models import fingerprint, load_model, make_model

SCRIPT = """
import numpy as np
from lsh_core.models import fingerprint, make_model
sample = np.random.default_rng(0).standard_normal((4300, 12), dtype=np.float32)
print(fingerprint(make_model("ivf", lists=4200).fit(sample)))
"""


@pytest.fixture
def model(clustered):
    return make_model("ivf", lists=20).fit(clustered(300))


def test_is_a_sha256_in_hexadecimal(model):
    assert len(fingerprint(model)) == 64
    int(fingerprint(model), 16)


@pytest.mark.parametrize(
    "change",
    [
        lambda document, arrays: document["params"].update(seed=1),
        lambda document, arrays: document["params"].update(metric="cosine"),
        lambda document, arrays: document["learned"].update(spill=2),
        lambda document, arrays: document.update(dims=17),
        lambda document, arrays: arrays.update(centroids=np.nextafter(arrays["centroids"], np.float32(9e9))),
        lambda document, arrays: arrays.update(centroids=arrays["centroids"].reshape(-1, 8)),
        lambda document, arrays: arrays.update(centroids=arrays["centroids"].astype(np.float64)),
    ],
)
def test_what_decides_tokens_changes_it(model, change):
    before = fingerprint(model)
    document, arrays = model.state()
    document = {**document, "params": dict(document["params"]), "learned": dict(document["learned"])}
    change(document, arrays := dict(arrays))
    assert fingerprint(load_model("ivf", document, arrays)) != before


def test_versions_and_byte_order_do_not(model):
    document, arrays = model.state()
    document = {**document, "versions": {"numpy": "99"}, "sample": {"rows": 1, "sha256": ""}}
    swapped = {name: array.astype(array.dtype.newbyteorder(">")) for name, array in arrays.items()}
    assert fingerprint(load_model("ivf", document, swapped)) == fingerprint(model)


def test_another_process_with_other_threads_makes_the_same_model():
    found = set()
    for threads in ("1", "2"):
        environment = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
