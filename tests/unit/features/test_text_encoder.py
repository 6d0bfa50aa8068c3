"""Texts become the vectors that the published model gives them, whatever stands beside them in a batch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from lsh_core.errors import DeviceMemoryError, EncoderError, SettingsError, WeightsError
from lsh_core.features.devices import tensorflow
from lsh_core.features.registry import make_encoder
from lsh_core.features.specification import EncoderSpec
from lsh_core.features.template import TextTemplate
from lsh_core.features.text import TextEncoder, make_text_encoder

DEMO = Path(__file__).parents[3] / "examples" / "debian_packages.parquet"
TEXTS = ["a viewer", "", "image viewer for the desktop " * 9, "fast small tool", "a viewer"]


def bert(folder: Path | str, **how: object) -> TextEncoder:
    return make_text_encoder(EncoderSpec("text", str(folder), device="cpu", **how))  # type: ignore[arg-type]


def test_minilm_gives_the_published_embeddings(minilm: TextEncoder) -> None:
    rows = next(pq.ParquetFile(DEMO).iter_batches(200, columns=["id", "description", "embedding"]))
    published = np.array(rows["embedding"].to_pylist(), dtype=np.float32)
    texts = TextTemplate.parse("{id}: {description}").render(rows.select(["id", "description"]).to_pylist())
    found = minilm.encode([text for text in texts if text is not None])
    assert found.shape == (200, minilm.dims)
    assert found.dtype == np.float32
    cosines = (found * published).sum(axis=1)
    assert cosines.mean() >= 0.999
    assert cosines.min() >= 0.98


def test_meaning_is_nearer_than_words(minilm: TextEncoder) -> None:
    question, viewer, mailer = minilm.encode(["program to view pictures", "image viewer", "a program to send mail"])
    assert question @ viewer > question @ mailer + 0.1


@pytest.fixture(scope="module")
def small(bert_folder: Path) -> TextEncoder:
    return bert(bert_folder, batch_size=2)


def test_rows_keep_their_order_and_do_not_depend_on_their_neighbours(small: TextEncoder) -> None:
    together = small.encode(TEXTS)
    alone = np.concatenate([small.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    np.testing.assert_array_equal(together[0], together[4])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert abs(together[0] @ together[2]) < 0.999


def test_threads_encode_at_once(small: TextEncoder) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(small.encode, [TEXTS] * 8))
    for each in found:
        np.testing.assert_array_equal(each, found[0])


def test_no_texts_have_no_vectors(small: TextEncoder) -> None:
    assert small.encode([]).shape == (0, small.dims)


def test_the_mean_is_over_the_tokens_and_not_the_padding(small: TextEncoder) -> None:
    tokens = small._tokens.of(["a viewer", "fast small tool"])
    table = small._tokens.padded(tokens, width=20)
    inputs = {"token_ids": table, "segment_ids": np.zeros_like(table), "padding_mask": (table != 0).astype(np.int32)}
    states = np.asarray(small._backbone(inputs, training=False)["sequence_output"])
    for row, found in zip(tokens, small.encode(["a viewer", "fast small tool"]), strict=True):
        mean = states[tokens.index(row), : len(row)].mean(axis=0)
        np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=2e-6)


def test_texts_of_every_length_are_traced_once(small: TextEncoder) -> None:
    small.encode(TEXTS)
    small.encode([" ".join(["tool"] * length) for length in range(30)])
    assert small._network.experimental_get_tracing_count() == 1


def test_long_texts_are_cut_to_the_positions_of_the_model_or_to_what_is_asked(bert_folder: Path) -> None:
    words = "image viewer for the desktop program to view pictures mail server fast small tool library"
    longest = bert(bert_folder)
    assert longest._tokens.max_tokens == 24
    five = bert(bert_folder, max_tokens=5)
    np.testing.assert_array_equal(five.encode([words]), five.encode(["image viewer for"]))
    assert not np.allclose(longest.encode([words]), longest.encode(["image viewer for"]), atol=1e-3)
    with pytest.raises(SettingsError, match="max_tokens=25: the model has 24 positions"):
        bert(bert_folder, max_tokens=25)


def test_the_folder_says_how_long_texts_are_what_is_pooled_and_whether_case_matters(
    bert_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert_folder, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 9}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    told, untold = bert(folder), bert(bert_folder)
    assert told._tokens.max_tokens == 9
    np.testing.assert_array_equal(untold.encode(["IMAGE Viewer"]), untold.encode(["image viewer"]))
    assert not np.allclose(told.encode(["IMAGE viewer"]), told.encode(["image viewer"]), atol=1e-3)
    assert not np.allclose(told.encode(["image viewer"]), untold.encode(["image viewer"]), atol=1e-3)
    assert told.fingerprint != untold.fingerprint


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[str]]:
    """Let keras_hub find a folder as ``hf://me/bert``; what it asks for is in the list."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    def publish(folder: Path) -> list[str]:
        asked: list[str] = []

        def download(repo_id: str, filename: str) -> str:
            asked.append(filename)
            if repo_id != "me/bert" or not (folder / filename).is_file():
                raise EntryNotFoundError("404")
            return str(folder / filename)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        return asked

    return publish


def test_a_preset_that_is_fetched_gives_what_its_folder_gives(
    bert_folder: Path, tmp_path: Path, hub: Callable[[Path], list[str]]
) -> None:
    folder = tmp_path / "bert"
    shutil.copytree(bert_folder, folder)
    asked = hub(folder)
    assert bert("hf://me/bert").fingerprint == bert(folder).fingerprint
    (folder / "9_Pooling").mkdir()
    (folder / "9_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    modules = [{"type": "a.Transformer", "path": ""}, {"type": "a.Pooling", "path": "9_Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 9}))
    fetched, local = bert("hf://me/bert"), bert(folder)
    assert fetched.fingerprint == local.fingerprint != bert(bert_folder).fingerprint
    assert (fetched._pooling, fetched._tokens.max_tokens) == ("cls", 9)
    assert "9_Pooling/config.json" in asked


def test_a_hub_that_does_not_answer_is_not_taken_for_one_without_the_file(
    bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(repo_id: str, filename: str) -> str:
        if (bert_folder / filename).is_file():
            return str(bert_folder / filename)
        raise LocalEntryNotFoundError("cannot find the requested files in the disk cache")

    known: list[Any] = [None]
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: known[0])
    with pytest.raises(WeightsError, match="doesn't exist in preset directory"):
        bert("hf://me/bert")
    known[0] = huggingface_hub._CACHED_NO_EXIST  # As asked when it did answer.
    assert bert("hf://me/bert").fingerprint == bert(bert_folder).fingerprint


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}, "max_tokens"),
        ("1_Pooling/config.json", {"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len_tokens"),
        ("1_Pooling/config.json", {"pooling_mode_weightedmean_tokens": True}, "weightedmean_tokens"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "lasttoken"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "cls_token and mean_tokens",
        ),
        ("modules.json", [{"type": "a.Pooling", "path": "1_Pooling"}, {"type": "a.Dense", "path": "2_Dense"}], "Dense"),
    ],
)
def test_what_is_not_done_to_vectors_is_not_left_out_in_silence(
    bert_folder: Path, tmp_path: Path, file: str, content: object, said: str
) -> None:
    shutil.copytree(bert_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(WeightsError, match=f"{file}: .* {said}, "):
        bert(tmp_path)


def test_the_fingerprint_is_of_what_decides_the_numbers(bert_folder: Path, tmp_path: Path) -> None:
    first = bert(bert_folder, template="{id}: {text}")
    copied = tmp_path / "elsewhere"
    shutil.copytree(bert_folder, copied)
    assert bert(copied, template="{id}: {text}", batch_size=7).fingerprint == first.fingerprint
    others = [
        bert(bert_folder, template="{text}"),
        bert(bert_folder, template="{id}: {text}", max_tokens=9),
        bert(bert_folder, template="{id}: {text}", precision="bfloat16"),
    ]
    with (copied / "vocab.txt").open("a") as vocabulary:
        vocabulary.write("more\n")
    others.append(bert(copied, template="{id}: {text}"))
    weights = copied / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    others.append(bert(copied, template="{id}: {text}"))
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_a_preset_of_keras_hub_and_other_members_of_the_family_are_taken(bert_folder: Path, tmp_path: Path) -> None:
    import keras_hub

    vocabulary = (bert_folder / "vocab.txt").read_text().split()
    backbone = keras_hub.models.DistilBertBackbone(
        vocabulary_size=len(vocabulary), num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8
    )
    backbone.save_to_preset(str(tmp_path))
    keras_hub.models.DistilBertTokenizer(vocabulary=vocabulary, lowercase=True).save_to_preset(str(tmp_path))
    found = bert(tmp_path).encode(TEXTS)
    assert found.shape == (5, 8)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_less_precision_gives_nearly_the_same(small: TextEncoder, bert_folder: Path, precision: str) -> None:
    found = bert(bert_folder, precision=precision).encode(TEXTS)
    assert found.dtype == np.float32
    cosines = (found * small.encode(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.99
    assert not np.array_equal(found, small.encode(TEXTS))


@pytest.mark.parametrize("batch", [[1, 2], ["a", None], "a text", np.zeros((1, 2, 2, 3), np.uint8)])
def test_only_texts_are_taken(small: TextEncoder, batch: object) -> None:
    with pytest.raises(EncoderError, match="encoder text"):
        small.encode(batch)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (None, "weights 'none': texts need a trained network"),
        ("none", "texts need a trained network"),
        ("/no/such/folder", "weights '/no/such/folder': there is no such file or folder on this machine; say where"),
        ("./bert", "there is no such file or folder on this machine; say where it is with --weights"),
        ("no_such_preset", "weights 'no_such_preset': is no preset of keras_hub, and no folder on this machine"),
    ],
)
def test_weights_that_are_not_there_are_one_error_that_names_what_can_be_given(weights: str | None, said: str) -> None:
    with pytest.raises(WeightsError) as refused:
        make_encoder(EncoderSpec("text", weights), trusted=False)
    message = str(refused.value)
    assert "\n" not in message
    assert all(f"({place})" in message for place in (1, 2, 3))
    assert said in message


def test_a_network_of_another_kind_is_named(bert_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(bert_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(WeightsError, match="is no network of the BERT family: its model_type is 'gpt2', not one of"):
        bert(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{}"),
        ("config.json", "no json"),
        ("model.safetensors", "no weights"),
        ("sentence_bert_config.json", "no json"),
        ("1_Pooling/config.json", "no json"),
        ("modules.json", '{"no": "list"}'),
    ],
)
def test_a_folder_that_is_broken_is_an_error_of_the_weights(
    bert_folder: Path, tmp_path: Path, file: str, content: str
) -> None:
    shutil.copytree(bert_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    with pytest.raises(WeightsError):
        bert(tmp_path)


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorflow().config, "list_physical_devices", lambda kind: [])
    with pytest.raises(SettingsError, match="TensorFlow finds no GPU"):
        make_text_encoder(EncoderSpec("text", "somewhere", device="gpu"))


def test_a_device_that_runs_out_of_memory_gets_smaller_batches(small: TextEncoder, bert_folder: Path) -> None:
    errors = tensorflow().errors
    encoder = bert(bert_folder, batch_size=4)
    real, sizes = encoder._network, list[int]()

    def with_room_for(rows: int) -> object:
        def network(table: object) -> object:
            sizes.append(int(table.shape[0]))  # type: ignore[attr-defined]
            if sizes[-1] > rows:
                raise errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return real(table)

        return network

    encoder._network = with_room_for(1)
    np.testing.assert_allclose(encoder.encode(TEXTS), small.encode(TEXTS), atol=2e-6)
    assert sizes == [4, 2, 1, 1, 1, 1, 1]
    encoder._network = with_room_for(0)
    with pytest.raises(DeviceMemoryError, match="/CPU:0"):
        encoder.encode(TEXTS)
