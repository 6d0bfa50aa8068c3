"""Diagnoses an uneven spread of rows over tokens, with remedies. Pure: no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lsh_core.evaluation.diagnostics import Diagnostic
from lsh_core.evaluation.hash_health import HashHealth, TokenCounts
from lsh_core.models.contract import LSHModel
from lsh_core.retrieval.contract import EXACT_ROWS

FEW_ROWS = 1_000
"""Minimum of rows: searches of a smaller index are fast for any spread."""
# Defaults, over 60,000 text embeddings and 100,000 SIFT descriptors: the largest list of ``ivf`` holds .006 of the
# rows, the largest bucket of ``hyperplane`` .07. Entropies are .96 to .99 (``ivf``, ``subspace``) and .78 to .87
# (``hyperplane``). With 20 bits, 7 too many, .38 of the stored tokens are buckets of one row; by default .02.
_HEAVY_SHARE = 0.1
_HEAVY_MULTIPLE = 8
_LOW_OCCUPANCY = 0.5
_LOW_ENTROPY = 0.7
_MAX_ALONE = 0.25
_FALLBACK = "ivf"
"""Model whose lists follow the rows: the remedy for an uneven spread."""


def is_heavy(counts: TokenCounts) -> bool:
    """Return whether the largest token holds far more than its even share.

    With few tokens, the limit is half of the rows beyond that share.
    """
    even = counts.even_share
    share = max(_HEAVY_SHARE, min(_HEAVY_MULTIPLE * even, (1 + even) / 2))
    return counts.rows >= FEW_ROWS and int(counts.sizes.max(initial=0)) >= share * counts.rows


def hash_warnings(
    name: str, model: LSHModel, counts: TokenCounts, health: HashHealth, *, scans_all: bool, repeated: int
) -> Iterator[Diagnostic]:
    """Yield diagnostics, most important first.

    Parameters
    ----------
    name
        Name of the model.
    scans_all
        Whether searches scan all rows by default, so that tokens do not matter.
    repeated
        Estimated rows of the largest token with the same vector; 0 if not measured.
    """
    if counts.rows < FEW_ROWS:
        return
    tokens = model.code_noun
    if is_heavy(counts):
        yield _heavy(name, model, health, repeated)
    if not scans_all and counts.rows > EXACT_ROWS and health.touched > model.max_touched:
        yield Diagnostic(
            f"A search goes through {health.touched:.0%} of the rows by default: that costs about as much "
            "as a scan of all.",
            f"Train with {_more(name, model)}, or another model.",
        )
    if not model.has_rare_tokens and health.occupancy < _LOW_OCCUPANCY:
        yield Diagnostic(
            f"{health.possible - health.used:,} of {health.possible:,} {tokens} hold no row.",
            f"Train with {_fewer(name, model)}, or on a larger `--sample` of the rows that are indexed.",
        )
    if model.has_rare_tokens and counts.alone > _MAX_ALONE:
        yield Diagnostic(
            f"{counts.alone:.0%} of the rows' {tokens} hold no other row: they lead to nothing.",
            f"Train with {_fewer(name, model)}.",
        )
    attainable = min(counts.possible, counts.rows * counts.tokens_per_row)
    spread = health.entropy * math.log(counts.possible)
    if attainable > 1 and spread < _LOW_ENTROPY * math.log(attainable):
        yield Diagnostic(
            f"The rows are spread as unevenly as if there were {max(1, round(math.exp(spread))):,} {tokens}, not "
            f"{counts.possible:,} (entropy {health.entropy:.2f}).",
            "Train on a larger `--sample` of the rows that are indexed"
            + (f", or with `--model {_FALLBACK}`, whose lists follow the rows." if model.name != _FALLBACK else "."),
        )


def _heavy(name: str, model: LSHModel, health: HashHealth, repeated: int) -> Diagnostic:
    largest = health.largest[0]
    what = f"Token {largest.token} holds {largest.rows:,} rows, {largest.share:.0%} of all."
    if 2 * repeated > largest.rows:
        return Diagnostic(
            f"{what} About {repeated:,} rows have the same vector.",
            "No model can tell repeated rows apart, so `airlsh train` has no option for it: index one of them each.",
        )
    return Diagnostic(what, f"Train with {_more(name, model)}, on a larger `--sample`.")


def _more(name: str, model: LSHModel) -> str:
    return _train(name, model, "more", +1)


def _fewer(name: str, model: LSHModel) -> str:
    return _train(name, model, "fewer", -1)


def _train(name: str, model: LSHModel, how: str, way: int) -> str:
    """Return the option of `airlsh train` for more or fewer tokens, as the model resizes."""
    now, then = model.resized(0), model.resized(way)
    if now is None or then is None:
        return f"another model: {model.name} has no knob for it"
    (knob,) = (knob for knob in model.knobs if knob.name == then[0])
    wanted = knob.nearest(then[1])
    if wanted == now[1]:
        return f"another model: {wanted:,} {knob.name} is the limit"
    option = knob.name.replace("_", "-")
    return f"{how} {knob.name}: `airlsh train {name} --source ... --model {model.name} --{option} {wanted}`"
