"""The search request: target, words, limits and effort of one search, checked once. Pure but for images by path."""

from __future__ import annotations

import base64
import binascii
import copy
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from fnmatch import fnmatchcase
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self, TypeGuard, get_args

import numpy as np
import numpy.typing as npt

from lsh_core.choices import choice_of
from lsh_core.errors import ArgumentError, SettingsError
from lsh_core.redaction import quoted
from lsh_core.search.filter_fields import check_filter_fields, type_of
from lsh_core.search.filter_values import is_unicode
from lsh_core.search.filters import check_filter
from lsh_core.search.queries import MAX_RESULTS, Filter, all_of, excluding
from lsh_core.search.query_images import Image, image_bytes
from lsh_core.search.query_vectors import one_vector
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.settings import EFFORT_UNITS, Fusion

MAX_MATCH_CHARACTERS = 10_000
_DEFAULT_WEIGHT = 0.5
_TARGETS = ("vector", "id", "text", "image")
_NOT_UNICODE = "is not Unicode text, as it holds half of a surrogate pair"
_ONE_TARGET = "give one of vector, id, text and image"
_INSTEAD = {
    **dict.fromkeys(("vector", "id", "text", "image"), "search({0}=...) takes one, search_many(vectors) takes several"),
    "vectors": "search_many(vectors) takes several",
    **dict.fromkeys(("identity", "row", "doc_id"), "the id of a stored row is id"),
    **dict.fromkeys(("text_query", "encode_text", "query_text"), "a text that is encoded is text"),
    **dict.fromkeys(("words", "keywords", "query"), "words to look for in full text are match"),
    "text_weight": "the weight of the words is match_weight",
    **dict.fromkeys(("text_fields", "text_field", "match_field"), "where to look for the words is match_fields"),
    **dict.fromkeys(("query_filter", "filters", "where"), "the filter is filter"),
    **dict.fromkeys(("top_k", "topk", "n", "size", "limit", "n_neighbors"), "how many are found is k"),
    **dict.fromkeys(("columns", "source", "output_fields", "include"), "what is returned is fields"),
}


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """One search: a target, and how its neighbours are found.

    Exactly one of `vector`, `id`, `text` and `image` is the target. Every argument is checked here, except what depends
    on the build that answers: the length of the vector, the fields, and the unit of the effort.

    Attributes
    ----------
    vector
        (d,) float32: neighbours of this vector.
    id
        Neighbours of the stored row with this id; the row itself is left out.
    text
        Neighbours of this text; the encoder of the index turns it into a vector.
    image
        Neighbours of this image, the bytes of an image file or its path; encoded as a text is.
    match
        Words to look for in full text as well. Rows with any of the words are found; operators are not parsed. The
        best rows by vector and by words are fused, see `lsh_core.search.fusion`.
    match_weight
        Weight of the words, from 0 (ranking by vector alone) to 1 (ranking by words alone, BM25); default .5.
    match_fields
        Full-text fields to look for the words; empty: all full-text fields of the index.
    fusion
        ``weighted``, or ``rrf``: reciprocal rank fusion, which has no weight.
    k
        Number of neighbours, 1 to 10,000.
    filter
        Elasticsearch query that every neighbour must match; see `lsh_core.search.filters`.
    recall
        Recall@10 to reach, by the measured curve of the build; default: the target of the build.
    exact
        Whether all rows, or all rows that pass the filter, are scored: the true neighbours.
    fields
        Fields to return; None: all but the vectors.
    effort
        One number under the unit of the index's model: ``probes``, lists to visit (``ivf``); ``candidates``, rows to
        score exactly (``hyperplane``, ``subspace``); ``num_candidates``, rows kept by the search of each shard's graph
        (``hnsw``). Default: what was measured to be enough for the recall; more under a filter.

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
    effort: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        checked = {
            "k": _checked_k(self.k),
            "recall": _checked_recall(self.recall),
            "effort": _checked_effort(self.effort),
            "fields": _checked_names("fields", self.fields),
            "filter": None if self.filter is None else check_filter(self.filter),
            "match_fields": _checked_names("match_fields", self.match_fields) or (),
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
        if self.id is not None and not _is_text(self.id):
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
        if not isinstance(self.match, str):
            raise ArgumentError("match", self.match, "must be a text: the words to look for")
        if not is_unicode(self.match):
            raise SettingsError("match", self.match, _NOT_UNICODE)
        if not self.match.strip():
            raise SettingsError("match", self.match, "is empty")
        if len(self.match) > MAX_MATCH_CHARACTERS:
            reason = f"has {len(self.match)} characters; {MAX_MATCH_CHARACTERS} at most are searched"
            raise SettingsError("match", f"{self.match[:20]}…", reason)
        object.__setattr__(self, "match_weight", _checked_weight(self.match_weight, self.fusion))

    @property
    def among(self) -> Filter | None:
        """The filter that every neighbour passes: `filter`, and any row but the one with the id."""
        return all_of(self.filter, excluding(self.id) if self.id is not None else None)

    def with_vector(self, vector: npt.NDArray[np.float32]) -> Self:
        """Return the same request for another vector, (d,) float32 and finite; nothing is checked again."""
        other = copy.copy(self)
        object.__setattr__(other, "vector", vector)
        return other

    def to_json(self) -> dict[str, Any]:
        """Return the arguments that differ from their defaults as plain values; an image as its bytes in base64.

        Raises
        ------
        ImageError
            The image is a path that cannot be read.
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
        """Return the request that `to_json` wrote. Paths of images are refused: they would be read on this machine.

        Raises
        ------
        ArgumentError
            Not an object, or an argument that a search does not have.
        """
        if not isinstance(values, Mapping):
            raise ArgumentError("search", values, "must be an object with the arguments of a search")
        arguments = dict(values)
        for name in arguments:
            if name not in _DEFAULTS:
                raise ArgumentError(str(name), arguments[name], _not_an_argument(str(name)))
        if arguments.get("image") is not None:
            arguments["image"] = _decoded(arguments["image"])
        return cls(**arguments)

    def __repr__(self) -> str:
        """Show what differs from the defaults; an image by its size or its path."""
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


def request_of(arguments: Mapping[str, Any], effort: Mapping[str, int | None]) -> SearchRequest:
    """Return the request for the arguments of a call, with the efforts that are not None by their units."""
    return SearchRequest(**arguments, effort={unit: value for unit, value in effort.items() if value is not None})


def check_no_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` for arguments that stand beside a finished request."""
    for name, value in arguments.items():
        if (list(value) if isinstance(value, tuple) else value) != _DEFAULTS.get(name):
            raise ArgumentError(name, value, "belongs into the SearchRequest: SearchRequest(..., k=5)")


def check_text_and_image(text: object, image: object) -> None:
    """Raise `ArgumentError` for a text that is none, or an image that is neither its bytes nor its path."""
    if text is not None and not isinstance(text, str):
        raise ArgumentError("text", text, "must be a text, which the index's encoder turns into a vector")
    if text is not None and not is_unicode(text):
        raise SettingsError("text", text, _NOT_UNICODE)
    if image is not None and not isinstance(image, bytes | str | Path):
        raise ArgumentError("image", image, "must be the bytes of an image file, or its path")


def check_for(build: SearchableBuild, request: SearchRequest) -> None:
    """Check the fields and the filter of a request against the mapping of the build that answers.

    Raises
    ------
    SettingsError
        A field to return that no document of the build has, or words for a field that is not full text.
    FilterError
        A field of the filter that the build does not have, or that cannot be filtered so.
    """
    check_fields(build, request.fields)
    if request.filter is not None:
        check_filter_fields(request.filter, build.mapping, build.index)
    if request.match is not None:
        match_fields_of(build, request)


def check_fields(build: SearchableBuild, fields: Sequence[str] | None) -> None:
    """Refuse fields to return that no document has. A name may be a pattern, or an object's, which is all in it."""
    if not fields:
        return
    multi = {f"{path}.{name}" for path, field in build.mapping.items() for name in field.get("fields", ())}
    paths = [path for path in build.mapping if path not in multi]
    for name in fields:
        if any(fnmatchcase(path, name) for path in paths):
            continue
        raise SettingsError("fields", name, f"is not a field of {build.index}: {choice_of(name, paths)}")


def match_fields_of(build: SearchableBuild, request: SearchRequest) -> tuple[str, ...]:
    """Return the full-text fields to look for the words: those of the request, or all of the build.

    Raises
    ------
    SettingsError
        A field that is not full text, or the build has none.
    """
    if not build.text_fields:
        reason = f"index {build.index} has no full text: build it with --text-field COLUMN"
        raise SettingsError("match", request.match, reason)
    for field in request.match_fields:
        if field not in build.text_fields:
            known = f"of type {type_of(build.mapping[field])}" if field in build.mapping else "no field"
            reason = f"is not full text in {build.index}, but {known}; {choice_of(field, build.text_fields)}"
            raise SettingsError("match_fields", field, reason)
    return tuple(request.match_fields) or build.text_fields


def _checked_k(k: object) -> int:
    bounds = f"must be a whole number from 1 to {MAX_RESULTS}"
    if not _is_whole(k):
        raise ArgumentError("k", k, bounds)
    if not 1 <= k <= MAX_RESULTS:
        raise SettingsError("k", k, bounds)
    return int(k)


def _checked_recall(recall: Any) -> float | None:
    if recall is None:
        return None
    number: Any = recall if isinstance(recall, Real) else None
    if number is None or not 0 < number <= 1:
        raise SettingsError("recall", recall, "must be above 0, and 1 at most")
    return float(number)


def _checked_effort(effort: object) -> dict[str, int]:
    if not isinstance(effort, Mapping):
        raise ArgumentError("effort", effort, "must be a number by its unit, such as {'probes': 8}")
    for unit, value in effort.items():
        if unit not in EFFORT_UNITS:
            raise ArgumentError(str(unit), value, _not_an_argument(str(unit)))
        if not _is_whole(value):
            raise SettingsError(unit, value, "must be a whole number")
    return {unit: int(value) for unit, value in effort.items()}


def _checked_names(argument: str, names: object) -> tuple[str, ...] | None:
    """Return a collection of names as a tuple; raise `ArgumentError` for anything else but None."""
    if names is None:
        return None
    if isinstance(names, str):
        raise ArgumentError(argument, names, f"must be a list of names, not one text: {argument}=[{quoted(names, 60)}]")
    if not isinstance(names, Collection) or isinstance(names, bytes | Mapping) or getattr(names, "ndim", 1) != 1:
        raise ArgumentError(argument, names, f"must be a list of names, not {type(names).__name__}")
    for name in names:
        if not _is_text(name):
            raise ArgumentError(argument, names, f"must hold names, not {quoted(name, 60)}")
    return tuple(names)


def _checked_weight(weight: object, fusion: str) -> float | None:
    """Return the weight of the words; None under reciprocal rank fusion, which has none."""
    if weight is None:
        return _DEFAULT_WEIGHT if fusion == "weighted" else None
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise ArgumentError("match_weight", weight, "must be a number from 0 to 1")
    if fusion == "rrf":
        raise SettingsError("match_weight", weight, "has no place in reciprocal rank fusion")
    try:
        number = float(weight)
    except OverflowError:
        number = float("inf")
    if not 0 <= number <= 1:
        raise SettingsError("match_weight", weight, "must be from 0 to 1")
    return number


def _not_an_argument(name: str) -> str:
    """Return what to write instead of an argument that a search does not have."""
    if name in _INSTEAD:
        return f"is not an argument of this search: {_INSTEAD[name].format(name)}"
    known = [each for each in _DEFAULTS if each not in (*_TARGETS, "effort")] + list(EFFORT_UNITS)
    return f"is not an argument of this search: {choice_of(name, known)}"


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


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and is_unicode(value)
