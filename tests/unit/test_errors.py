"""Errors cross a worker's boundary with all they carry, and the tree at the top of the module is the tree."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from lsh_core import errors
from lsh_core.errors import AirlshError, InputError
from lsh_core.sources.feature_folders import REFUSED

EXAMPLES: list[AirlshError] = [
    errors.AirlshError("why"),
    errors.InputError("why"),
    errors.SettingsError("k", 0, "must be from 1 to 10000"),
    errors.ArgumentError("vector", "gimp", "is a text"),
    errors.SourceError("a.parquet", "is not Parquet"),
    errors.SchemaError("a.parquet", "v", "is missing"),
    errors.SourceChangedError("a.parquet", "1", "2"),
    errors.SourceMissingError("a.parquet", "there is no such file or folder"),
    errors.NotFoundError("model", "docs-1", "train one"),
    errors.RowNotFoundError("docs", "gimp", "airlsh-docs-b1"),
    errors.ModelMismatchError("m1", "m2", "index i"),
    errors.VectorError(3, "is not finite"),
    errors.MissingPackageError("tensorflow", "hash_backend=tensorflow", "pip install 'airlsh[features]'"),
    errors.PluginError("airlsh.models", "ours", "our-package 1.0", "cannot be imported"),
    errors.FilterError("bool.filter[0]", "is not allowed"),
    errors.ImageError("is truncated"),
    errors.EncoderError("text", "text 3 is a float"),
    errors.WeightsError("image", "imagenet", "no network", ("imagenet", "a file", "none")),
    errors.ServerError("why"),
    errors.UnsupportedServerError("Elasticsearch 8.0", "too old"),
    errors.AccessError(401, "no key"),
    errors.RequestRefusedError("PUT /i", 400, "unknown setting"),
    errors.IndexTemplateError("i", "index template all", ("requires routing", "adds an alias"), "Change it."),
    errors.CapacityError("cluster.max_shards_per_node: 1000", "1,000 shards are open", "Delete some."),
    errors.CertificateError("https://es:9200", "its certificate has expired", "Renew it."),
    errors.UnavailableError("index i", 30.0, "refused"),
    errors.BusyError("GET /i/_count", 503, "no master"),
    errors.ShardsMissingError("i", ("shard 1 of 3", "shard 2 of 3"), ("http://a:9200",), 30.0, "unavailable"),
    errors.PartialAnswerError("count", "i", 1, 3),
    errors.RunError("why"),
    errors.SourceUnavailableError("s3://b/a.parquet", "cannot be read: Slow Down"),
    errors.LoadError("i", "a row", "no such alias"),
    errors.VerificationError("i", "documents", 10_000, 9_998),
    errors.UnverifiedError("i", "it was written to"),
    errors.ChangesGoneError("i", "2026-01-01T00:00"),
    errors.DeadLetterLimitError("b1", 9, 0, ("a.parquet row 1: nan", "a.parquet row 2: nan")),
    errors.StoppedEarlyError("b1", 1_009, 1_000, ("a.parquet row 1: nan",), 20_000),
    errors.FeatureLimitError("s3://b/features", 3, 0, ("a.parquet row 1: null_text",)),
    errors.ImagesAwayError("s3://b/features", 3, 0, ("a.parquet row 1: image_unavailable",), 2),
    errors.FeaturesError("s3://b/features", "encode", "its worker died each time"),
    errors.AliasError("docs", "stands for 2 indices"),
    errors.PromotionConflictError("docs", "moved"),
    errors.OutcomeError("docs", "build b1", "is loaded, not verified"),
    errors.LeaseHeldError("docs", "build", "airlsh by me on here", "2026-01-01T00:00", "2026-01-01T00:01"),
    errors.LeaseLostError("docs", "build", 7),
    errors.DeviceMemoryError("/GPU:0", "OOM when allocating"),
    errors.DagRunError("index_vectors", "run-1", "load", "line 1\nline 2"),
    errors.UnexpectedError("ValueError", "cannot convert"),
    errors.StackError("Elasticsearch", "died", "line 1\nline 2", "do this"),
]
CLASSES = {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, AirlshError)}


def test_every_error_has_an_example() -> None:
    assert {type(error) for error in EXAMPLES} == CLASSES


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling_with_its_data_and_its_notes(error: AirlshError, protocol: int) -> None:
    noted = pickle.loads(pickle.dumps(error)).with_note("first note").with_note("second note")
    again = pickle.loads(pickle.dumps(noted, protocol))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert again.__notes__ == ["first note", "second note"]
    assert {name: value for name, value in vars(again).items() if name != "__notes__"} == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_what_an_error_carries_is_in_its_message(error: AirlshError) -> None:
    for name, value in vars(error).items():
        for part in value if isinstance(value, tuple) else str(value).splitlines():
            shown = f"{value:.0f}" if isinstance(value, float) else str(part)
            assert shown in str(error), name


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_bad_input_is_two_and_all_else_is_one(error: AirlshError) -> None:
    assert error.exit_code == (2 if isinstance(error, InputError) else 1)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    parents: list[str] = []
    drawn: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^    ([│├└─ ]*)(\w+(?:Error))\b", line):
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else None
    assert drawn == {each.__name__: each.__mro__[1].__name__ if each is not AirlshError else None for each in CLASSES}


def test_errors_are_caught_by_their_branch() -> None:
    assert isinstance(errors.VectorError(None, "is empty"), ValueError)
    assert str(errors.VectorError(None, "the array is empty")) == "the array is empty"
    assert str(errors.VectorError(3, "is not finite")) == "vector 3 is not finite"


def test_optional_parts_of_messages_leave_no_trace() -> None:
    assert str(errors.NotFoundError("model", "m")) == "no model 'm'"
    assert str(errors.FilterError("", "is not JSON")) == "filter at its top: is not JSON"
    assert str(errors.StackError("Dask", "died")) == "Dask: died"
    assert str(errors.DagRunError("d", "r", None)) == "DAG d, run r: failed"


@pytest.mark.parametrize(
    ("waited", "told"), [(0.64, " within 0.6 s"), (5, " within 5 s"), (15.3, " within 15 s"), (0, "")]
)
def test_a_wait_is_told_as_long_as_it_was(waited: float, told: str) -> None:
    assert str(errors.UnavailableError("it", waited, "silence")) == f"it did not answer{told}; last: silence"


def test_examples_that_are_not_all_say_how_many_more_there_are() -> None:
    told = str(errors.DeadLetterLimitError("b1", 1_009, 0, ("row 1: nan", "row 2: nan")))
    assert told.endswith("\n  row 2: nan\n  and 1,007 more")
    assert "more" not in str(errors.DeadLetterLimitError("b1", 1, 0, ("row 1: nan",))).rpartition("row 1")[2]


def test_refused_rows_of_features_are_said_to_lie_where_they_are() -> None:
    told = str(errors.FeatureLimitError("s3://b/features/", 3, 0, ()))
    assert f"s3://b/features/{REFUSED} list each row with its reason" in told


def test_no_error_tells_the_secrets_of_a_url() -> None:
    error = errors.SourceError("s3://key:secret@bucket/x", "Forbidden: https://me:secret@host/x?X-Amz-Signature=secret")
    assert str(error) == "s3://bucket/x: Forbidden: https://host/x"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert error.source == "s3://key:secret@bucket/x"
    assert "secret" not in str(errors.WeightsError("text", "https://me:secret@host/w", "no", ("a folder",)))
    assert "secret" not in str(errors.SettingsError("output", "s3://key:secret@bucket", "is not empty"))
