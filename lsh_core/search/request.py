"""Search request: target, words, limits and effort, checked once. Pure but for images by path."""

from __future__ import annotations

import base64
import binascii
import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt

from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.retrieval.query import Filter, all_of, excluding
from lsh_core.search.filters.grammar import check_filter
from lsh_core.search.query_images import Image, image_bytes
from lsh_core.search.query_vectors import one_vector
from lsh_core.search.request_checks import (
    check_match,
    check_text_and_image,
    checked_effort,
    checked_k,
    checked_names,
    checked_recall,
    checked_weight,
    is_text,
    not_an_argument,
)
from lsh_core.settings import Fusion

_TARGETS = ("vector", "id", "text", "image")
_ONE_TARGET = "give one of vector, id, text and image"


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """A search: one target, and the options of its search.

    Exactly one of `vector`, `id`, `text` and `image` is the target. Every argument is checked here, except for checks
    that need the build: length of the vector, fields, and unit of the effort.

    Attributes
    ----------
    vector
        (d,) float32: neighbours of this vector.
    id
        Neighbours of the stored row with this id; the row itself is excluded.
    text
        Neighbours of this text; the encoder of the index turns it into a vector.
    image
        Neighbours of this image, by the bytes or the path of an image file; encoded like a text.
    match
        Words to search for in full text as well. Rows with any of the words are found; operators are not parsed. The
        best rows by vector and by words are fused, see `lsh_core.search.fusion`.
    match_weight
        Weight of the words, from 0 (ranking by vector alone) to 1 (ranking by words alone, BM25); default .5.
    match_fields
        Full-text fields to search for the words; empty: all full-text fields of the index.
    fusion
        ``weighted``, or ``rrf``: reciprocal rank fusion, which has no weight.
    k
        Number of neighbours, 1 to 10,000.
    filter
        Elasticsearch query that every neighbour must match; see `lsh_core.search.filters.grammar`.
    recall
        Recall@10 to reach by the measured curve of the build; default: the target of the build.
    exact
        Whether all rows, or all rows that pass the filter, are scored: the true neighbours.
    fields
        Fields to return; None: all but the vectors.
    effort
        One number under a unit of the index's model: ``reach``, which visits the lists up to this multiple of the
        distance to the tenth nearest list, or ``probes``, a number of lists (``ivf``); ``candidates``, rows to score
        exactly (``hyperplane``, ``subspace``); ``num_candidates``, rows kept by the search of each shard's graph
        (``hnsw``). Default: the effort measured to reach the recall, and more under a filter.

    Raises
    ------
    ArgumentError
        An argument has a type that the search does not take.
    SettingsError
        A value is out of its bounds, or two arguments contradict each other.
    FilterError
        The filter is not made of allowed queries.
    VectorError
        The vector is not a list of finite numbers.

    Examples
    --------
    >>> from lsh_core import SearchRequest
    >>> request = SearchRequest(id="gimp", k=5, filter={"term": {"section": "graphics"}})
    >>> request.to_json()
    {'id': 'gimp', 'k': 5, 'filter': {'term': {'section': 'graphics'}}}
    >>> SearchRequest.from_json({"vector": [0.25, 1.0], "effort": {"probes": 8}})
    SearchRequest(vector=[0.25, 1.0], effort={'probes': 8})
    >>> SearchRequest(id="gimp", text="image editor")
    Traceback (most recent call last):
    ...
    lsh_core.errors.SettingsError: search='id, text': several targets: give one of vector, id, text and image
    """

    vector: Sequence[float] | npt.NDArray[Any] | None = None
    _: KW_ONLY
    id: str | None = None
    text: str | None = None
    image: Image | None = None
    match: str | None = None
    match_weight: float | None = None
    match_fields: Sequence[str] = ()
    fusion: Fusion = "weighted"
    k: int = 10
    filter: Filter | None = None
    recall: float | None = None
    exact: bool = False
    fields: Sequence[str] | None = None
    effort: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        checked = {
            "k": checked_k(self.k),
            "recall": checked_recall(self.recall),
            "effort": checked_effort(self.effort),
            "fields": checked_names("fields", self.fields),
            "filter": None if self.filter is None else check_filter(self.filter),
            "match_fields": checked_names("match_fields", self.match_fields) or (),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_target()
        self._check_effort()
        self._check_match()

    def _check_target(self) -> None:
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if not given:
            beside = "match says which words to look for beside a target" if self.match is not None else "no target"
            raise SettingsError("search", "nothing", f"{beside}: {_ONE_TARGET}")
        if len(given) > 1:
            raise SettingsError("search", ", ".join(given), f"several targets: {_ONE_TARGET}")
        if self.vector is not None:
            vector = one_vector(self.vector)[0].copy()
            vector.flags.writeable = False
            object.__setattr__(self, "vector", vector)
        if self.id is not None and not is_text(self.id):
            raise ArgumentError("id", self.id, "must be the id of a row, a text")
        check_text_and_image(self.text, self.image)

    def _check_effort(self) -> None:
        if not isinstance(self.exact, bool | np.bool_):
            raise ArgumentError("exact", self.exact, "must be True or False")
        if self.recall is not None and self.effort:
            raise SettingsError("recall", self.recall, f"decides the effort: give no {', '.join(self.effort)}")
        if self.exact and self.recall is not None:
            raise SettingsError("recall", self.recall, "has no use in an exact search, which misses nothing")
        if self.exact and self.effort:
            raise SettingsError("exact", True, f"scores every row: give no {', '.join(self.effort)}")

    def _check_match(self) -> None:
        if self.fusion not in get_args(Fusion):
            raise SettingsError("fusion", self.fusion, f"must be one of {', '.join(get_args(Fusion))}")
        if self.match is None:
            given = {
                "match_weight": self.match_weight is not None,
                "match_fields": bool(self.match_fields),
                "fusion": self.fusion != "weighted",
            }
            for name in (name for name, changed in given.items() if changed):
                raise SettingsError(name, getattr(self, name), "has no use without match, the words to look for")
            return
        check_match(self.match)
        object.__setattr__(self, "match_weight", checked_weight(self.match_weight, self.fusion))

    @property
    def among(self) -> Filter | None:
        """Filter that every neighbour passes: `filter`, excluding the row with the id."""
        return all_of(self.filter, excluding(self.id) if self.id is not None else None)

    @property
    def by_words_alone(self) -> bool:
        """True if the words have all the weight: no rows are searched by vector then."""
        return self.match_weight == 1

    def with_vector(self, vector: npt.NDArray[np.float32]) -> Self:
        """Return the same request for another finite vector, (d,) float32, without checks."""
        other = copy.copy(self)
        object.__setattr__(other, "vector", vector)
        return other

    def to_json(self) -> dict[str, Any]:
        """Return the non-default arguments as plain values; an image in base64.

        Raises
        ------
        ImageError
            The file of the image cannot be read.
        """
        values = {name: getattr(self, name) for name in _DEFAULTS}
        if self.vector is not None:
            values["vector"] = np.asarray(self.vector).tolist()
        if self.image is not None:
            values["image"] = base64.b64encode(image_bytes(self.image)).decode()
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {name: value for name, value in plain.items() if value != _DEFAULTS[name]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the request of a `to_json` document.

        Paths of images are refused, as they would be read on this machine.

        Raises
        ------
        ArgumentError
            The document is not an object, or has an unknown argument.
        """
        if not isinstance(values, Mapping):
            raise ArgumentError("search", values, "must be an object with the arguments of a search")
        arguments = dict(values)
        for name in arguments:
            if name not in _DEFAULTS:
                raise ArgumentError(str(name), arguments[name], not_an_argument(str(name)))
        if arguments.get("image") is not None:
            arguments["image"] = _decoded(arguments["image"])
        return cls(**arguments)

    def __repr__(self) -> str:
        """Show the non-default arguments; an image by its size or its path."""
        values = {name: getattr(self, name) for name in _DEFAULTS}
        if self.vector is not None:
            values["vector"] = np.asarray(self.vector).tolist()
        shown = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        arguments = [
            f"{name}=<{len(value):,} bytes>" if isinstance(value, bytes) else f"{name}={value!r}"
            for name, value in shown.items()
            if value != _DEFAULTS[name]
        ]
        return f"{type(self).__name__}({', '.join(arguments)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchRequest):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in _DEFAULTS)

    __hash__ = None  # type: ignore[assignment]


_DEFAULTS: dict[str, Any] = {
    each.name: {} if each.name == "effort" else [] if each.name == "match_fields" else each.default
    for each in dataclasses.fields(SearchRequest)
}


def request_of(arguments: Mapping[str, Any], effort: Mapping[str, float | None]) -> SearchRequest:
    """Return the request for the arguments of a call; efforts of None are dropped."""
    return SearchRequest(**arguments, effort={unit: value for unit, value in effort.items() if value is not None})


def check_no_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` for arguments beside a finished request."""
    for name, value in arguments.items():
        if (list(value) if isinstance(value, tuple) else value) != _DEFAULTS.get(name):
            raise ArgumentError(name, value, "belongs into the SearchRequest: SearchRequest(..., k=5)")


def _decoded(image: object) -> bytes:
    try:
        return base64.b64decode(image if isinstance(image, str) else b"\xff", validate=True)
    except (binascii.Error, ValueError):
        shown = image if isinstance(image, str) else type(image).__name__
        raise ArgumentError("image", str(shown)[:40], "must be the bytes of an image file in base64") from None


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(np.asarray(one), np.asarray(other)) if one is not None and other is not None else False
    return one == other
