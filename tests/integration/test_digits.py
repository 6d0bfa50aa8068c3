"""Pictures, with a network that learned them: what a user's own model finds is better than what pixels find."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lsh_core.elastic.connection import Connection
from lsh_core.exact.nearest_rows import exact_neighbours
from lsh_core.jobs.features import compute_features
from lsh_core.jobs.index import run_index
from lsh_core.jobs.services import Services
from lsh_core.jobs.train import train
from lsh_core.search.vector_index import VectorIndex
from lsh_core.settings import FeaturesSettings, IndexSettings, TrainSettings

LEARNED, SIDE, K = 1_297, 16, 10


@dataclass(frozen=True)
class Digits:
    """Real ones: (1797, 8, 8) pixels from 0 to 255, and what they are."""

    pixels: np.ndarray
    labels: np.ndarray

    def png(self, digit: int) -> bytes:
        from PIL import Image

        written = io.BytesIO()
        image = Image.fromarray(self.pixels[digit]).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        image.save(written, format="PNG")
        return written.getvalue()

    def name(self, digit: int) -> str:
        return f"{self.labels[digit]}/{digit:04d}.png"


@pytest.fixture(scope="module")
def digits() -> Digits:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    return Digits((loaded.images * 255 / 16).astype(np.uint8), loaded.target)


@pytest.fixture(scope="module")
def network(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small convolutional network that learned the first digits, without its last layer, as a user saves it."""
    from lsh_core.features.devices import tensorflow

    tensorflow()
    import keras
    from PIL import Image

    keras.utils.set_random_seed(0)
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(digits.png(each)))) for each in range(LEARNED)])
    entrance = keras.Input((SIDE, SIDE, 1))
    layer = keras.layers.Rescaling(1 / 255)(entrance)
    for filters in (16, 32):
        layer = keras.layers.Conv2D(filters, 3, activation="relu", padding="same")(layer)
        layer = keras.layers.MaxPooling2D()(layer)
    flat = keras.layers.Dropout(0.3)(keras.layers.Flatten()(layer))
    embedding = keras.layers.Dense(32, activation="relu")(flat)
    whole = keras.Model(entrance, keras.layers.Dense(10)(keras.layers.Dropout(0.3)(embedding)))
    whole.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    whole.fit(pixels[..., None].astype(np.float32), digits.labels[:LEARNED], epochs=30, batch_size=32, verbose=0)
    file = tmp_path_factory.mktemp("network") / "digits.keras"
    keras.Model(entrance, embedding).save(file)
    return str(file)


@pytest.fixture(scope="module")
def services(one_node: Any, dask_cluster: Any) -> Services:
    return Services(Connection(tuple(one_node.urls)), dask_cluster.address)


@pytest.fixture(scope="module")
def features(
    services: Services, digits: Digits, network: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Those of the digits that were learned, of PNG files and of bytes in Parquet: their folders, by index."""
    folder = tmp_path_factory.mktemp("digits")
    names, images = zip(*((digits.name(digit), digits.png(digit)) for digit in range(LEARNED)), strict=True)
    for name, image in zip(names, images, strict=True):
        file = folder / "png" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image)
    rows = pa.table({"id": names, "png": pa.array(images, pa.binary())})
    pq.write_table(rows, folder / "digits.parquet", row_group_size=300)
    made = {}
    for name, source, column in (
        ("digits-in-files", folder / "png", None),
        ("digits-in-parquet", folder / "digits.parquet", "png"),
    ):
        output = str(folder / name)
        settings = FeaturesSettings(source=str(source), image=column, encoder="image", weights=network, output=output)
        report = compute_features(settings, services.dask)
        assert (report.rows_written, report.dims, report.dead_lettered) == (LEARNED, 32, 0)
        train(TrainSettings(name=name, source=output, metric=report.metric, lists=40), services)
        run_index(IndexSettings(name=name, source=output, recall_queries=100), services)
        made[name] = output
    return made


def test_bytes_in_parquet_give_the_same_vectors_as_files(features: dict[str, str]) -> None:
    of_bytes, of_files = vectors(features["digits-in-parquet"]), vectors(features["digits-in-files"])
    assert of_bytes.keys() == of_files.keys()
    assert all(np.allclose(of_bytes[name], of_files[name], rtol=1e-4, atol=1e-4) for name in of_files)


@pytest.mark.parametrize("name", ["digits-in-files", "digits-in-parquet"])
def test_the_neighbours_of_digits_that_were_not_learned_are_the_same_digit(
    services: Services, digits: Digits, features: dict[str, str], name: str
) -> None:
    index = VectorIndex(name, services.connection)
    asked = range(LEARNED, LEARNED + 250)
    found = [index.search(image=digits.png(digit), k=K, fields=()).ids for digit in asked]
    same = np.mean(
        [
            [int(name.partition("/")[0]) == digits.labels[digit] for name in ids]
            for digit, ids in zip(asked, found, strict=True)
        ]
    )
    flat = digits.pixels.reshape(len(digits.pixels), -1).astype(np.float32)
    by_pixels, _ = exact_neighbours(flat[:LEARNED], flat[list(asked)], K, "l2")
    same_by_pixels = np.mean(digits.labels[by_pixels] == digits.labels[list(asked)][:, None])
    assert same >= 0.95
    assert same > same_by_pixels


def vectors(output: str) -> dict[str, list[float]]:
    table = pq.read_table(Path(output) / "rows")
    return dict(zip(table["id"].to_pylist(), table["embedding"].to_pylist(), strict=True))
