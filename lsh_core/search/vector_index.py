"""The Python API: searches, and live changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from lsh_core.elastic.connection import Connection
from lsh_core.errors import ArgumentError, ModelMismatchError, SettingsError
from lsh_core.live.live_writer import LiveWriter, Written
from lsh_core.live.rows import Rows
from lsh_core.search.answers import Answer, HybridAnswer
from lsh_core.search.arguments import check_index, check_text_and_image, check_wait, connection_and_name
from lsh_core.search.hybrid_search import HybridSearch, checked_text
from lsh_core.search.live_index import WAIT_SECONDS, LiveIndex
from lsh_core.search.neighbour_search import NeighbourSearch
from lsh_core.search.queries import Query, Target, by_vector, exact_query
from lsh_core.search.query_encoder import Image, QueryEncoder
from lsh_core.search.query_vectors import check_vectors, many_vectors, one_vector
from lsh_core.search.request import Request, check_k, checked_request
from lsh_core.search.searchable_build import SearchableBuild
from lsh_core.settings import Fusion

_QUERIES_PER_REQUEST = 16

Found = TypeVar("Found", bound=Answer)


class VectorIndex:
    """Search over the live build of a name.

    A reader moves from the old build to the new one without an error and never mixes them. An instance may be shared
    between threads.

    Unless the caller sets the effort, an answer has `k` rows wherever so many pass the filter: if too few were found
    by their tokens, all that pass are scanned.

    Parameters
    ----------
    connection
        Where Elasticsearch is: a `Connection`, or addresses as `Connection.from_urls` takes them.
    name
        The alias. It may stand first as well.
    index
        One physical index instead of the live one.
    encoder
        Makes queries of texts and images; default: one of the encoder that the index names.
    wait_seconds
        How long a search waits for a node that answers, before it raises `UnavailableError`.

    Raises
    ------
    SettingsError
        An argument that is missing, or that cannot be what it should.
    """

    def __init__(
        self,
        connection: Connection | str | None = None,
        name: str | Connection | None = None,
        *,
        index: str | None = None,
        encoder: QueryEncoder | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        connection, name = connection_and_name(connection, name)
        check_index(index)
        check_wait(wait_seconds)
        if isinstance(encoder, str | bytes | type):
            raise ArgumentError("encoder", encoder, "must be a QueryEncoder: QueryEncoder(weights=...)")
        self._index = index
        self._asker = LiveIndex(connection, name, index, wait_seconds=wait_seconds)
        self._neighbours = NeighbourSearch(self._asker)
        self._hybrid = HybridSearch(self._asker, self._neighbours)
        self._writer = LiveWriter(connection, name)
        self._encoder = encoder or QueryEncoder()

    @property
    def build(self) -> SearchableBuild:
        """The build that is searched now."""
        return self._asker.build()

    def search(
        self,
        vector: Sequence[float] | np.ndarray | None = None,
        *,
        text_query: str | None = None,
        image: Image | None = None,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> Answer:
        """Return the `k` nearest rows to one vector, (d,), or to a text or an image; see `search_many`.

        Parameters
        ----------
        text_query, image
            Encoded by the encoder that made the vectors of the index; see `lsh_core.search.query_encoder`.

        Raises
        ------
        ModelMismatchError
            The encoder that was found is not the one that made the vectors.
        """
        how: dict[str, Any] = {"k": k, "recall": recall, "query_filter": query_filter, "fields": fields, **effort}
        checked_request(k, fields, query_filter, recall, effort)  # Before the encoder is loaded.
        if sum(each is not None for each in (vector, text_query, image)) != 1:
            shown = "nothing" if vector is None and text_query is None and image is None else "several"
            raise SettingsError("search", shown, "give one of a vector, a text_query and an image")
        if vector is not None:
            return next(self.search_many(one_vector(vector), **how))
        check_text_and_image(text_query, image)
        return self._asked_with_encoded(
            text_query, image, lambda encoded: next(self.search_many(encoded[np.newaxis], **how))
        )

    def encode(self, *, text_query: str | None = None, image: Image | None = None) -> np.ndarray:
        """Return the vector of a text or an image, (d,) float32, by the encoder of the index, as `search` does."""
        if (text_query is None) == (image is None):
            raise SettingsError("text_query", text_query, "give either a text_query or an image")
        check_text_and_image(text_query, image)
        return self._encoded(self.build, text_query, image)

    def _encoded(self, build: SearchableBuild, text: str | None, image: Image | None) -> np.ndarray:
        if text is not None:
            return self._encoder.of_text(build, text)
        return self._encoder.of_image(build, image or b"")

    def _asked_with_encoded(self, text: str | None, image: Image | None, ask: Callable[[np.ndarray], Found]) -> Found:
        """Return what is found by the vector of a text or an image, as the encoder of the build that answers has it."""
        while True:
            build = self.build
            encoded = self._encoded(build, text, image)
            if self.build.field.encoder != build.field.encoder:
                continue  # To load an encoder takes seconds, in which the alias may move.
            try:
                answer = ask(encoded)
            except ModelMismatchError:  # Of vectors of another length, if the alias has moved since.
                if self.build.field.encoder == build.field.encoder:
                    raise
                continue
            if answer.build == build.meta.build or self.build.field.encoder == build.field.encoder:
                return answer

    def search_many(
        self,
        vectors: np.ndarray,
        *,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> Iterator[Answer]:
        """Yield the `k` nearest rows to each of `vectors`, in order; one Elasticsearch query each.

        The arguments are checked before the first answer is asked for.

        Parameters
        ----------
        vectors
            (q, d); converted to float32.
        recall
            The recall to reach instead of the target, as it was measured for ten neighbours: the smallest effort that
            was enough is done, or a scan of all rows where none was.
        query_filter
            Elasticsearch query that every neighbour must match; see `lsh_core.search.filters`.
        fields
            Fields to return; default: all but the vectors.
        effort
            One number, named as the model counts it: `probes`, lists to visit (``ivf``); `candidates`, rows to score
            exactly (``hyperplane``, ``subspace``); or `num_candidates`, rows that the search of each shard's graph
            keeps (``hnsw``). What is given is done, with a filter as without. Default: what was measured to be enough
            for the target of the build, more under a filter, or a scan of all rows that pass it if they are few.

        Raises
        ------
        InputError
            A vector, filter or effort that this index does not take.
        NotFoundError
            Nothing is live under this name.
        """
        wanted = checked_request(k, fields, query_filter, recall, effort)
        return self._answers(many_vectors(vectors), wanted)

    def _answers(self, vectors: np.ndarray, wanted: Request) -> Iterator[Answer]:
        for start in range(0, len(vectors), _QUERIES_PER_REQUEST):
            block = vectors[start : start + _QUERIES_PER_REQUEST]
            yield from self._neighbours.answers(self._neighbours.of_vectors(block, wanted))

    def search_id(
        self,
        identity: str,
        *,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> Answer:
        """Return the `k` nearest rows to the stored row `identity`, itself left out; see `search_many`.

        One request without the model where what is stored with the row leads to enough of its neighbours (see
        `lsh_core.search.effort.can_look_up`), or where few rows pass the filter; else the row's vector is read, and
        searched for.

        Raises
        ------
        NotFoundError
            There is no such row.
        """
        if identity is None:
            raise ArgumentError("id", None, "must be the id of a row, a text")
        wanted = checked_request(k, fields, query_filter, recall, effort, but=identity)
        return self._neighbours.answers(self._neighbours.of_row(identity, wanted))[0]

    def search_hybrid(
        self,
        text: str,
        *,
        vector: Sequence[float] | np.ndarray | None = None,
        identity: str | None = None,
        text_query: str | None = None,
        image: Image | None = None,
        text_weight: float | None = None,
        fusion: Fusion = "weighted",
        text_fields: Sequence[str] | None = None,
        k: int = 10,
        recall: float | None = None,
        query_filter: Mapping[str, Any] | None = None,
        fields: Sequence[str] | None = None,
        **effort: int | None,
    ) -> HybridAnswer:
        """Return the `k` best rows by a text and by a vector, (d,), by that of a row, itself left out, or of an image.

        One Elasticsearch request, with two searches: the best rows by the text, and the nearest in what a search
        without a text looks at, ten times `k` of each and 100 or more; each comes with both scores. Beside that only
        what `search_many` and `search_id` send: a count of the rows that pass a filter, a row's vector.

        Parameters
        ----------
        text
            Rows with any of its words are found; it is never parsed for operators.
        vector, identity, text_query, image
            One of them: a vector, the id of a stored row, or what `search` encodes.
        text_weight
            From 0, the ranking of a search without a text, to 1, that of Elasticsearch's own text search (BM25, words
            counted over all shards); default .5. See `lsh_core.search.fusion` for what is weighted.
        fusion
            ``weighted``; or ``rrf``, reciprocal rank fusion, which takes no weight.
        text_fields
            Where to look for the text; default: all columns that are indexed as full text.
        query_filter
            Must be matched by what the text finds, too.
        k, recall, fields, effort
            As `search_many` takes them.

        Raises
        ------
        InputError
            As `search_many`; or a field that is not full text.
        NotFoundError
            Nothing is live under this name, or there is no such row.
        """
        asked = checked_text(text, text_fields, text_weight, fusion)
        wanted = checked_request(k, fields, query_filter, recall, effort, but=identity)
        if sum(each is not None for each in (vector, identity, text_query, image)) != 1:
            reason = "give beside the text one of a vector, an identity, a text_query and an image"
            raise SettingsError("search_hybrid", text, reason)
        check_text_and_image(text_query, image)
        if text_query is not None or image is not None:
            return self._asked_with_encoded(
                text_query,
                image,
                lambda encoded: self._hybrid.answer(self._neighbours.of_vectors(encoded[np.newaxis], wanted), asked),
            )
        if identity is not None:
            plan = self._neighbours.of_row(identity, wanted)
        else:
            plan = self._neighbours.of_vectors(one_vector(vector), wanted)
        return self._hybrid.answer(plan, asked)

    def exact(self, vectors: np.ndarray, *, k: int = 10) -> Iterator[Answer]:
        """Yield the exact answers, by scoring every row: the truth that recall is measured against."""
        check_k(k)
        return self._exact(many_vectors(vectors), k)

    def _exact(self, vectors: np.ndarray, k: int) -> Iterator[Answer]:
        for vector in vectors:
            target = by_vector(vector.tolist())

            def queries(build: SearchableBuild, target: Target = target, one: np.ndarray = vector) -> list[Query]:
                check_vectors(build, one[np.newaxis])
                return [exact_query(build.field, target, k=k)]

            yield from self._asker.ask(queries)

    def upsert(self, rows: Rows, *, refresh: bool = False) -> Written:
        """Write whole documents into the live build and, through the journal, into every later one.

        Parameters
        ----------
        rows
            Ids, vectors (d) and other columns under the names that the source of the build had: an Arrow table, a
            DataFrame, or a list of mappings.
        refresh
            Whether searches must find the rows when this returns; else they do about a second later.

        Raises
        ------
        InputError
            A row cannot be indexed, and none was written; or the build's mapping refuses one.
        UnavailableError
            No live build took the rows in time; writing them again does no harm.
        """
        self._check_live()
        return self._writer.upsert(rows, refreshed=refresh)

    def delete(self, ids: Iterable[Any], *, refresh: bool = False) -> Written:
        """Delete documents from the live build and, through the journal, from every later one.

        Raises as `upsert`; an id that is not there is no error.
        """
        self._check_live()
        return self._writer.delete(ids, refreshed=refresh)

    def _check_live(self) -> None:
        if self._index is not None:
            raise SettingsError("index", self._index, "changes go to the live build of a name, not to one index")
