"""What every LSH model is: scikit-learn's estimator contract, with tokens as its output."""

from __future__ import annotations

import hashlib
import inspect
from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from lsh_core.backends import BACKENDS, Backend, choose_backend, require_backend
from lsh_core.errors import ModelMismatchError, SettingsError, VectorError
from lsh_core.models.arrays import Array, Float32Array, Int64Array
from lsh_core.models.metrics import check_metric, count_longer, longest_row, prepare_queries, prepare_rows
from lsh_core.models.threads import one_blas_thread

DTYPE = "float32"
SAMPLE_ROWS = 20_000
SAMPLE_BYTES = 64 * 2**20


class RowCodes(NamedTuple):
    """What a model says about rows.

    Attributes
    ----------
    tokens : (n, tokens_per_row) int64
        What is indexed of each row.
    near : (n, near) int64 or None
        The lists that a query with the row's vector visits, the most promising first; None for models without lists.
    longer
        Under ``dot``, how many of the rows are longer than every row of the sample: they are hashed as if they were
        as long as the longest of it, and found less surely.
    """

    tokens: Int64Array
    near: Int64Array | None
    longer: int = 0


class LSHModel(ABC):
    """The contract of a model.

    ``__init__`` only stores its arguments. :meth:`fit` checks them, learns from a sample and returns the
    model; what was learned ends in ``_``, and a second fit forgets the first. The same sample, seed and
    backend give the same model, byte for byte, whatever the number of threads.

    Parameters
    ----------
    metric
        ``"l2"``, ``"cosine"`` or ``"dot"``.
    seed
        0 to 2³² - 1.

    Attributes
    ----------
    backend_
        What computes the tokens of rows: ``"numpy"``, or ``"tensorflow"`` where a kind of model can and was asked to.
        Probing takes NumPy always.
    versions_
        Of the libraries that the model was made with.
    longest_
        Under ``dot`` only: the length of the sample's longest row.

    Notes
    -----
    What a kind of model is given is prepared (see :mod:`lsh_core.models.metrics`): under ``cosine`` of unit length,
    under ``dot`` with one component more than `dims`. There all rows have one length, and a query's best rows are those
    with the largest inner product with it, which are those at the smallest angle: what goes by distances takes this
    for queries instead, and what divides space by planes puts them through the origin.

    A fit computes with NumPy whatever the backend, so two backends learn the same arrays. Which one encodes is part of
    a model all the same, and of its fingerprint: a row that lies within rounding of a border would otherwise get one
    token when it is loaded and another when it is upserted. Queries are probed with NumPy whatever the backend. Rows
    within rounding of a border are a few in a million, and a query finds them from either side as it finds all that are
    a little further from it, by its other tables, or by the next lists: that is what spill and several probes are for.
    TensorFlow in a search would cost seconds of import, and memory, for the hash of one vector.
    """

    kind: ClassVar[str]
    effort_name: ClassVar[str]
    retrieval: ClassVar[str]
    """Name of the retrieval strategy: ``lists``, ``tables`` or ``graph``."""
    tokens_are_probes: ClassVar[bool] = False
    """Whether a query asks for its own tokens and no others: a stored row's tokens then lead to its neighbours."""

    hash_backend: str = "numpy"
    """What was asked for; an argument of the kinds of model that can encode with another."""

    backend_: Backend
    versions_: dict[str, str]
    sample_rows_: int
    sample_sha256_: str
    dims_: int
    longest_: float

    def __init__(self, *, metric: str = "l2", seed: int = 0) -> None:
        self.metric = metric
        self.seed = seed

    @abstractmethod
    def _check_settings(self) -> None:
        """Raise :class:`SettingsError` for arguments that no sample could be fitted with."""

    @abstractmethod
    def _learn(self, sample: Float32Array, rows: int, generator: np.random.Generator) -> None:
        """Learn from prepared vectors; set attributes that end in ``_``."""

    @abstractmethod
    def _encode(self, vectors: Float32Array, near: int) -> RowCodes:
        """Encode prepared vectors."""

    @abstractmethod
    def _probe(self, queries: Float32Array, effort: int) -> Int64Array:
        """Probe with prepared queries, which under ``dot`` are not like rows."""

    @abstractmethod
    def _learned(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """What was learned: numbers and arrays by attribute name, without the closing ``_``."""

    @property
    @abstractmethod
    def tokens_per_row(self) -> int:
        """Tokens that each row is indexed under."""

    @property
    @abstractmethod
    def token_count(self) -> int:
        """How many different tokens there can be: codes are 0 to ``token_count - 1``."""

    @property
    def graph(self) -> dict[str, int]:
        """Options of the server's graph of the vectors; none for models that are searched by their tokens."""
        return {}

    @abstractmethod
    def default_effort(self, rows: int) -> int:
        """The effort of a query, in units of `effort_name`, for an index of so many rows."""

    @classmethod
    def default_sample(cls, rows: int, dims: int) -> int:
        """How many of `rows` rows to fit on: 20,000 and 64 MiB at most, so that a worker's memory is bounded."""
        return max(2, min(rows, SAMPLE_ROWS, SAMPLE_BYTES // (4 * dims)))

    @property
    def dims(self) -> int:
        """Components of the vectors that the model was fitted on."""
        self._check_fitted()
        return self.dims_

    def get_params(self) -> dict[str, Any]:
        """The arguments of ``__init__``, by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def backends(cls) -> tuple[Backend, ...]:
        """What can compute the tokens of this kind of model."""
        return BACKENDS if "hash_backend" in inspect.signature(cls).parameters else ("numpy",)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: arguments and what was learned. What is kept for speed is made again where it is needed."""
        kept = self.get_params().keys()
        return {name: value for name, value in vars(self).items() if name in kept or name.endswith("_")}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({arguments})"

    def fit(self, sample: Float32Array, *, rows: int | None = None) -> Self:
        """Learn from a sample.

        Parameters
        ----------
        sample : (n, d) float32
            At least two rows.
        rows
            How many rows the index will hold, which the defaults depend on; default: as many as the sample.

        Raises
        ------
        SettingsError
            An argument of the model that is not allowed.
        MissingPackageError
            The backend that was asked for is not installed.
        VectorError
            A sample that is not float32, empty, or has a row that cannot be hashed.
        """
        check_metric(self.metric)
        if not 0 <= self.seed < 2**32:
            raise SettingsError("seed", self.seed, "must be from 0 to 4294967295")
        self._check_settings()
        backend = choose_backend(self.hash_backend, setting="hash_backend")
        _check_array(sample)
        if len(sample) < 2 or sample.shape[1] < 1:
            raise VectorError(None, f"a sample of shape {sample.shape} is too small to fit a model on")
        if rows is not None and rows < 1:
            raise SettingsError("rows", rows, "must be at least 1")
        self._forget()
        self.backend_, self.versions_ = backend, {name: version(name) for name in sorted({"numpy", backend})}
        with one_blas_thread():
            if self.metric == "dot":
                self.longest_ = longest_row(np.ascontiguousarray(sample))
            prepared = self._prepare_rows(sample)
            self._learn(prepared, len(sample) if rows is None else rows, np.random.default_rng(self.seed))
        self.sample_rows_, self.dims_ = sample.shape
        self.sample_sha256_ = hashlib.sha256(np.ascontiguousarray(sample).data).hexdigest()
        return self

    def check_backend(self) -> None:
        """Raise `MissingPackageError` unless rows can be encoded in this process; nothing is imported."""
        self._check_fitted()
        require_backend(self.backend_, f"a model with hash_backend={self.backend_}")

    def encode(self, vectors: Float32Array, near: int = 0) -> RowCodes:
        """Turn rows into the tokens they are indexed under.

        Parameters
        ----------
        vectors : (n, d) float32
        near
            How many of the lists that a query with the row's vector visits to answer besides; models without lists
            answer None.

        Raises
        ------
        ModelMismatchError
            Vectors of another length than the model's.
        MissingPackageError
            The model's backend is not installed here.
        VectorError
            An array that is not float32, or a row that cannot be hashed.
        """
        self._check_dims(vectors, "encode")
        with one_blas_thread():
            codes = self._encode(self._prepare_rows(vectors), near)
        return codes._replace(longer=count_longer(vectors, self.longest_)) if self.metric == "dot" else codes

    def probe(self, queries: Float32Array, effort: int) -> Int64Array:
        """The tokens to look for.

        Parameters
        ----------
        queries : (q, d) float32
        effort
            In units of `effort_name`.

        Returns
        -------
        (q, t) int64, the most promising token first where the model knows an order.

        Raises
        ------
        SettingsError, ModelMismatchError, VectorError
        """
        self._check_dims(queries, "probe")
        if effort < 1:
            raise SettingsError(self.effort_name, effort, "must be at least 1")
        with one_blas_thread():
            return self._probe(prepare_queries(queries, self.metric), effort)

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Everything that was learned: a document for JSON, and arrays for ``npy``.

        What stands there for `hash_backend` is the backend that was taken: which one was asked for does not decide
        tokens, and ``auto`` where there is no GPU makes the model that ``numpy`` does.
        """
        self._check_fitted()
        numbers, arrays = self._learned()
        if self.metric == "dot":
            numbers = {**numbers, "longest": self.longest_}
        document = {
            "kind": self.kind,
            "params": {name: value for name, value in self.get_params().items() if name != "hash_backend"},
            "dims": self.dims_,
            "learned": numbers,
            "backend": self.backend_,
            "dtype": DTYPE,
            "versions": dict(self.versions_),
            "sample": {"rows": self.sample_rows_, "sha256": self.sample_sha256_},
        }
        return document, arrays

    @classmethod
    def from_state(cls, params: dict[str, Any], arrays: dict[str, Array]) -> Self:
        """Make the model whose :meth:`state` this is.

        Raises
        ------
        ModelMismatchError
            A state of another kind of model, or of a backend that this kind does not know.
        """
        for what, known in (("kind", (cls.kind,)), ("backend", cls.backends()), ("dtype", (DTYPE,))):
            if params.get(what) not in known:
                raise ModelMismatchError(" or ".join(known), str(params.get(what)), f"{what} of a stored model")
        model = cls(**params["params"])
        model.backend_, model.versions_ = params["backend"], dict(params["versions"])
        if len(cls.backends()) > 1:
            model.hash_backend = model.backend_
        for name, value in {**params["learned"], **arrays}.items():
            setattr(model, f"{name}_", value)
        model.dims_ = params["dims"]
        model.sample_rows_, model.sample_sha256_ = params["sample"]["rows"], params["sample"]["sha256"]
        return model

    def _prepare_rows(self, vectors: Float32Array) -> Float32Array:
        return prepare_rows(vectors, self.metric, self.longest_ if self.metric == "dot" else 0.0)

    def _forget(self) -> None:
        for name in vars(self).keys() - self.get_params().keys():
            delattr(self, name)

    def _check_fitted(self) -> None:
        if not hasattr(self, "dims_"):
            raise ModelMismatchError("a fitted model", "one that was never fitted", repr(self))

    def _check_dims(self, vectors: Float32Array, where: str) -> None:
        self._check_fitted()
        _check_array(vectors)
        if vectors.shape[1] != self.dims_:
            raise ModelMismatchError(f"vectors of {self.dims_} numbers", f"{vectors.shape[1]}", where)


def _check_array(vectors: Float32Array) -> None:
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype != np.float32:
        found = f"{vectors.dtype} {vectors.shape}" if isinstance(vectors, np.ndarray) else type(vectors).__name__
        raise VectorError(None, f"expected a float32 array (rows, dims), found {found}")
