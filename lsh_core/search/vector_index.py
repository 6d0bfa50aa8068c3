"""Vector index: searches and live changes under one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, islice
from typing import Any, Self

import numpy as np

from lsh_core.elastic.cluster import Cluster
from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, SettingsError, VectorError
from lsh_core.live.live_writer import LiveWriter, Written
from lsh_core.live.rows import Rows
from lsh_core.search.arguments import check_index, check_wait, name_and_connection
from lsh_core.search.live_index import WAIT_SECONDS, LiveIndex
from lsh_core.search.query_encoder import QueryEncoder
from lsh_core.search.query_images import Image
from lsh_core.search.query_vectors import many_vectors
from lsh_core.search.request import SearchRequest, check_no_arguments, request_of
from lsh_core.search.results import SearchResult
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.search.searching import Searcher, encode
from lsh_core.settings import Fusion

_QUERIES_PER_REQUEST = 16
Vector = Sequence[float] | np.ndarray


class VectorIndex:
    """The live build of a name, for searches and changes.

    Searches move from an old build to a new one without errors, and never mix them. An instance may be shared between
    threads.

    A search returns `k` neighbours if at least `k` rows pass the filter: if tokens lead to too few rows, all rows that
    pass are scanned. With an effort of the caller no scan is added.

    Parameters
    ----------
    name
        Name of the index, an alias.
    connection
        A `Connection`, or the addresses of Elasticsearch's nodes as `connect` takes them.
    index
        One physical index instead of the live one.
    encoder
        Encodes texts and images; default: the encoder that the index names.
    wait_seconds
        Seconds that a search waits for a node that answers, before it raises `UnavailableError`.

    Raises
    ------
    SettingsError
        An argument is missing or invalid.

    Examples
    --------
    >>> from lsh_core import VectorIndex
    >>> index = VectorIndex("packages", "http://127.0.0.1:9200")
    >>> [neighbour.id for neighbour in index.search(id="gimp", k=2).neighbours] == index.search(id="gimp", k=2).ids
    True
    >>> index.close()
    """

    def __init__(
        self,
        name: str | None = None,
        connection: Connection | str | None = None,
        *,
        index: str | None = None,
        encoder: QueryEncoder | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        name, found = name_and_connection(name, connection)
        check_index(index)
        check_wait(wait_seconds)
        if isinstance(encoder, str | bytes | type):
            raise ArgumentError("encoder", encoder, "must be a QueryEncoder: QueryEncoder(weights=...)")
        self._name, self._index = name, index
        self._connection, self._owned = found, not isinstance(connection, Connection)
        cluster = Cluster(found, watch=False)
        self._live = LiveIndex(cluster, name, index, wait_seconds=wait_seconds)
        self._encoder = encoder or QueryEncoder()
        self._searcher = Searcher(self._live, self._encoder)
        self._writer = LiveWriter(cluster, name)
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Refuse further calls, and close a connection that was made from addresses."""
        self._closed = True
        if self._owned:
            self._connection.close()

    @property
    def build(self) -> SearchableBuild:
        """The current build."""
        self._check_open()
        return self._live.build()

    def search(
        self,
        vector: Vector | SearchRequest | None = None,
        *,
        id: str | None = None,
        text: str | None = None,
        image: Image | None = None,
        match: str | None = None,
        match_weight: float | None = None,
        match_fields: Sequence[str] = (),
        fusion: Fusion = "weighted",
        k: int = 10,
        filter: Mapping[str, Any] | None = None,
        recall: float | None = None,
        exact: bool = False,
        fields: Sequence[str] | None = None,
        **effort: float | None,
    ) -> SearchResult:
        """Return the `k` nearest rows to a target and, optionally, to words.

        The target is a vector, a stored row, a text or an image. A search is one Elasticsearch request. A count of the
        rows that pass a filter, or a read of a stored row's vector, may precede it.

        Parameters
        ----------
        vector
            (d,); or a whole `SearchRequest`, which describes each argument.
        **effort
            ``reach=``, ``probes=``, ``candidates=`` or ``num_candidates=``, as the model of the index counts effort.

        Raises
        ------
        InputError
            The request contradicts itself, or does not fit the index.
        NotFoundError
            Nothing is live under this name, or no row has the id.
        ModelMismatchError
            The vector has another length, or the encoder did not make the vectors of the index.
        UnavailableError
            No node answered in time.

        Examples
        --------
        >>> from lsh_core import VectorIndex
        >>> index = VectorIndex("packages", "http://127.0.0.1:9200")
        >>> near = index.search(id="gimp", k=3)  # A stored row, itself left out.
        >>> near.ids == index.search(id="gimp", k=3, exact=True).ids
        True
        >>> graphics = {"term": {"section": "graphics"}}
        >>> result = index.search(id="gimp", filter=graphics, fields=["section"], k=3)
        >>> {neighbour.fields["section"] for neighbour in result.neighbours}
        {'graphics'}
        >>> words = index.search(id="gimp", match="video editor", match_weight=0.8, k=3)
        >>> words.neighbours[0].match_score > 0
        True
        """
        self._check_open()
        arguments = {
            "id": id,
            "text": text,
            "image": image,
            "match": match,
            "match_weight": match_weight,
            "match_fields": match_fields,
            "fusion": fusion,
            "k": k,
            "filter": filter,
            "recall": recall,
            "exact": exact,
            "fields": fields,
        }
        if isinstance(vector, SearchRequest):
            check_no_arguments({**arguments, **effort})
            request = vector
        else:
            request = request_of({"vector": vector, **arguments}, effort)
        return self._live.run(partial(self._searcher.search, requests=[request]))[0]

    def search_many(
        self,
        vectors: Sequence[Vector] | np.ndarray | Sequence[SearchRequest],
        *,
        match: str | None = None,
        match_weight: float | None = None,
        match_fields: Sequence[str] = (),
        fusion: Fusion = "weighted",
        k: int = 10,
        filter: Mapping[str, Any] | None = None,
        recall: float | None = None,
        exact: bool = False,
        fields: Sequence[str] | None = None,
        **effort: float | None,
    ) -> Iterator[SearchResult]:
        """Yield the result for each of `vectors`, in order; sixteen queries in one Elasticsearch request.

        The arguments are checked at once; results are fetched as the iterator is consumed. One build answers all
        queries of a request.

        Parameters
        ----------
        vectors
            (q, d), converted to float32; or requests, each with its own arguments.

        Raises
        ------
        InputError
            As `search`.

        Examples
        --------
        >>> import numpy as np
        >>> from lsh_core import SearchRequest, VectorIndex
        >>> index = VectorIndex("packages", "http://127.0.0.1:9200")
        >>> vectors = np.eye(2, index.build.field.dims)
        >>> [len(result.neighbours) for result in index.search_many(vectors, k=3)]
        [3, 3]
        >>> requests = [SearchRequest(id="gimp", k=1), SearchRequest(vectors[0], match="editor", k=2)]
        >>> [len(result.neighbours) for result in index.search_many(requests)]
        [1, 2]
        """
        self._check_open()
        arguments = {
            "match": match,
            "match_weight": match_weight,
            "match_fields": match_fields,
            "fusion": fusion,
            "k": k,
            "filter": filter,
            "recall": recall,
            "exact": exact,
            "fields": fields,
        }
        if isinstance(vectors, list | tuple) and any(isinstance(each, SearchRequest) for each in vectors):
            check_no_arguments({**arguments, **effort})
            for each in vectors:
                if not isinstance(each, SearchRequest):
                    raise ArgumentError("vectors", each, "stands among requests: give vectors, or requests, alone")
            return self._results(iter(vectors))
        matrix = many_vectors(vectors)
        request = request_of({"vector": [0.0], **arguments}, effort)
        return self._results(map(request.with_vector, matrix))

    def _results(self, requests: Iterator[SearchRequest]) -> Iterator[SearchResult]:
        for first in count(0, _QUERIES_PER_REQUEST):
            some = list(islice(requests, _QUERIES_PER_REQUEST))
            if not some:
                return
            try:
                results = self._live.run(partial(self._searcher.search, requests=some))
            except VectorError as error:
                raise VectorError(None if error.row is None else first + error.row, error.reason) from error
            yield from results

    def encode(self, *, text: str | None = None, image: Image | None = None) -> np.ndarray:
        """Return the vector of a text or an image, (d,) float32.

        Raises
        ------
        InputError
            The index names no encoder, or its encoder does not take the input.
        """
        self._check_open()
        if (text is None) == (image is None):
            raise SettingsError("text", text, "give either a text or an image")
        request = SearchRequest(text=text, image=image)
        return encode(self._encoder, self._live.build(), request)

    def upsert(self, rows: Rows, *, refresh: bool = False) -> Written:
        """Write whole documents into the live build and, through the journal, into every later build.

        Parameters
        ----------
        rows
            Ids, vectors (d) and other columns under the names that the source of the build had: an Arrow table, a
            DataFrame, or a list of mappings.
        refresh
            Whether to wait until searches find the rows; otherwise they do about a second later.

        Raises
        ------
        InputError
            A row cannot be indexed, so that no row was written; or the build's mapping refuses a row.
        UnavailableError
            No live build took the rows in time; the call may be repeated.
        """
        self._check_live()
        return self._writer.upsert(rows, refreshed=refresh)

    def delete(self, ids: Iterable[Any], *, refresh: bool = False) -> Written:
        """Delete documents from the live build and, through the journal, from every later one.

        Raises as `upsert`; an id without a document is not an error.
        """
        self._check_live()
        return self._writer.delete(ids, refreshed=refresh)

    def _check_live(self) -> None:
        self._check_open()
        if self._index is not None:
            raise SettingsError("index", self._index, "changes go to the live build of a name, not to one index")

    def _check_open(self) -> None:
        if self._closed:
            raise SettingsError("VectorIndex", self._name, "is closed: make another one")
