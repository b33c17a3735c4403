"""Whisper weights in CTranslate2 format, and conversion to and from transformers.

A CTranslate2 ``model.bin`` is a list of named arrays: a header, then name, shape, type and bytes of
each, then aliases. The arrays map one to one onto ``WhisperForConditionalGeneration``.
"""

from __future__ import annotations

import math
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from asr_core.errors import EngineError, ModelError
from asr_core.models.safe_json import is_valid_json, read_json_object

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

__all__ = [
    "ArrayLocation",
    "FloatArrays",
    "convert_to_transformers",
    "count_layers",
    "ensure_ctranslate2",
    "locate_arrays",
    "read_arrays",
    "read_config",
    "validate_json",
]

Arrays = Mapping[str, NDArray[Any]]

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_SPEC_VERSION = 6

_MAX_CONFIG_BYTES = 1_000_000  # Whisper's have 3 kB
_MAX_JSON_BYTES = 64_000_000  # vocabularies have 1 MB
_MAX_ARRAYS = 100_000  # large-v3 has some 2,000
_MAX_RANK = 8
_CONVERTED_FOLDER = "ctranslate2"


def ensure_ctranslate2(directory: Path) -> Path:
    """Return ``directory`` if it is in CTranslate2 format, else a converted copy.

    The copy is made once and kept inside the model's directory, or in the model
    cache where that may not be written.

    Raises:
        EngineError: converting needs torch and transformers, which are missing.
        ModelError: the weights cannot be converted.
    """
    if (directory / "model.bin").exists():
        return directory
    target = directory / _CONVERTED_FOLDER
    if (target / "model.bin").exists():
        return target
    try:
        from ctranslate2.converters import TransformersConverter
        from transformers import AutoConfig  # noqa: F401 - tests that it is installed
    except ImportError:
        raise EngineError(
            "This model is in transformers format, and converting it needs torch; "
            "run pip install -r requirements-torch.txt once."
        ) from None
    staging = Path(tempfile.mkdtemp(prefix=".converting-", dir=directory))
    try:
        converter = TransformersConverter(str(directory), load_as_float16=True)
        converter.convert(str(staging / _CONVERTED_FOLDER), quantization="float16")
        shutil.copy(directory / "tokenizer.json", staging / _CONVERTED_FOLDER)
        (staging / _CONVERTED_FOLDER).rename(target)
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"The model in {directory} is no Whisper model ({error}).") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def read_config(directory: Path) -> dict[str, Any]:
    """Return the ``config.json`` of a model.

    Raises:
        ModelError: it is not a JSON object.
    """
    config = read_json_object(directory / "config.json", _MAX_CONFIG_BYTES)
    if config is None:
        raise ModelError(f"The model in {directory} has a damaged config.json; fetch it again.")
    return config


def validate_json(directory: Path) -> None:
    """Validate a model's JSON files, since some libraries read them without bounds.

    The tokenizer is left to the tokenizers package, which bounds the depth itself.

    Raises:
        ModelError: a file is too long, nested too deep, or not JSON.
    """
    read_config(directory)
    for path in sorted(directory.glob("*.json")):
        if path.name != "tokenizer.json" and not is_valid_json(path, _MAX_JSON_BYTES):
            raise ModelError(f"The model in {directory} has a damaged {path.name}; fetch it again.")


@dataclass(frozen=True, slots=True)
class ArrayLocation:
    """Location of an array in a ``model.bin``: ``n_bytes`` bytes at ``offset``."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    n_bytes: int


def locate_arrays(path: Path) -> list[ArrayLocation]:
    """Return the locations of the arrays in a ``model.bin``, without aliases.

    Raises:
        ModelError: the file is in another version of the format, or cut short.
    """
    with _damage_as_model_error(path), path.open("rb") as file:
        return _read_locations(file, path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``model.bin`` by name, including aliases.

    Raises:
        ModelError: the file is in another version of the format, or cut short.
    """
    with _damage_as_model_error(path), path.open("rb") as file:
        locations = _read_locations(file, path)
        aliases = [(_read_text(file), _read_text(file)) for _ in range(_read_u32(file))]
        arrays = {location.name: _read_array(file, location) for location in locations}
        return arrays | {alias: arrays[name] for alias, name in aliases}


class FloatArrays(Mapping[str, NDArray[Any]]):
    """Arrays of a ``model.bin`` by name as float32, without aliases.

    Each is read when it is asked for, so that a large model is never in memory as a whole.
    Quantised arrays are multiplied by their scale; scalars keep their type.

    Raises:
        ModelError: the file is in another version of the format, or cut short.
    """

    def __init__(self, path: Path) -> None:
        self._locations = {location.name: location for location in locate_arrays(path)}
        self._file = path.open("rb", buffering=0)
        self._file_lock = threading.Lock()  # guards the position in the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._locations)

    def __len__(self) -> int:
        return len(self._locations)

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = self._read_stored(name)
        if not array.ndim:
            return array
        floats: NDArray[Any] = array.astype(np.float32)
        if f"{name}_scale" in self._locations:
            scale = self._read_stored(f"{name}_scale")
            floats /= scale.reshape(scale.shape + (1,) * scale.ndim)
        return floats

    def shape(self, name: str) -> tuple[int, ...]:
        """Return an array's shape without reading it."""
        return self._locations[name].shape

    def rows(self, name: str, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return rows of the matrix ``name``, (..., n_in). Any thread may call."""
        location = self._locations[name]
        n_rows, n_in = location.shape
        stored = np.empty((indices.size, n_in), location.dtype)
        for row, index in zip(stored, indices.ravel().tolist(), strict=True):
            self._read_into(row, location.offset + index * row.nbytes)
        floats: NDArray[np.float32] = stored.astype(np.float32).reshape(*indices.shape, n_in)
        if f"{name}_scale" in self._locations:
            scale = np.broadcast_to(self._read_stored(f"{name}_scale"), n_rows)
            floats /= scale[indices][..., None]
        return floats

    def _read_stored(self, name: str) -> NDArray[Any]:
        location = self._locations[name]
        stored = np.empty(location.shape, location.dtype)
        self._read_into(stored, location.offset)
        return stored

    def _read_into(self, array: NDArray[Any], offset: int) -> None:
        """Read into ``array``; a memory map would keep the pages and their neighbours in memory."""
        with self._file_lock:
            self._file.seek(offset)
            self._file.readinto(array.data)


@contextmanager
def _damage_as_model_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (struct.error, ValueError, KeyError, UnicodeDecodeError):
        raise ModelError(f"{path} is damaged; fetch the model again.") from None


def _read_locations(file: BinaryIO, path: Path) -> list[ArrayLocation]:
    version, _spec = _read_u32(file), _read_text(file)
    if version != _SPEC_VERSION:
        raise ModelError(f"{path} is in version {version} of its format, not in 6.")
    _revision, n_arrays = _read_u32(file), _read_u32(file)
    if n_arrays > _MAX_ARRAYS:
        raise ValueError("more arrays than any model has")
    locations = [_read_location(file) for _ in range(n_arrays)]
    if locations and locations[-1].offset + locations[-1].n_bytes > path.stat().st_size:
        raise ValueError("the last array is cut short")
    return locations


def _read_u32(file: BinaryIO) -> int:
    return int(struct.unpack("<I", file.read(4))[0])


def _read_text(file: BinaryIO) -> str:
    (n_bytes,) = struct.unpack("<H", file.read(2))
    return file.read(n_bytes)[:-1].decode()


def _read_location(file: BinaryIO) -> ArrayLocation:
    name = _read_text(file)
    (rank,) = struct.unpack("<B", file.read(1))
    if rank > _MAX_RANK:
        raise ValueError("more dimensions than any array has")
    shape = struct.unpack(f"<{rank}I", file.read(4 * rank))
    (kind,) = struct.unpack("<B", file.read(1))
    dtype, n_bytes = np.dtype(_DTYPES[kind]), _read_u32(file)
    if n_bytes != math.prod(shape) * dtype.itemsize:
        raise ValueError("an array's size contradicts its shape")
    return ArrayLocation(name, shape, dtype, file.seek(n_bytes, 1) - n_bytes, n_bytes)


def _read_array(file: BinaryIO, location: ArrayLocation) -> NDArray[Any]:
    file.seek(location.offset)
    return np.frombuffer(file.read(location.n_bytes), location.dtype).reshape(location.shape)


def convert_to_transformers(directory: Path) -> WhisperForConditionalGeneration:
    """Return a CTranslate2 model of 16- or 32-bit floats as a transformers model in float32.

    Raises:
        ModelError: the weights are quantised, damaged or not of a Whisper model.
    """
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    arrays = read_arrays(directory / "model.bin")
    if any(name.endswith("weight_scale") for name in arrays):
        raise ModelError(
            f"The model in {directory} is quantised, which the transformers engine cannot use; "
            "choose the engine ctranslate2."
        )
    try:
        weights = _state_dict(arrays)
        model = WhisperForConditionalGeneration(WhisperConfig(**_dimensions(arrays)))
        state = {name: torch.from_numpy(array) for name, array in weights.items()}
        state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
        model.load_state_dict(state, strict=True)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"The model in {directory} is no Whisper model ({error}).") from None
    return model


def count_layers(arrays: Iterable[str], part: str) -> int:
    """Return the number of layers of ``part``, encoder or decoder, by the names of the arrays."""
    return 1 + max(
        int(name.split("/")[1].removeprefix("layer_"))
        for name in arrays
        if name.startswith(f"{part}/layer_") and name.split("/")[1] != "layer_norm"
    )


def _dimensions(arrays: Arrays) -> dict[str, int]:
    n_tokens, width = arrays["decoder/embeddings/weight"].shape
    return {
        "vocab_size": n_tokens,
        "d_model": width,
        "num_mel_bins": arrays["encoder/conv1/weight"].shape[1],
        "encoder_layers": count_layers(arrays, "encoder"),
        "decoder_layers": count_layers(arrays, "decoder"),
        "encoder_attention_heads": int(arrays["encoder/num_heads"]),
        "decoder_attention_heads": int(arrays["decoder/num_heads"]),
        "encoder_ffn_dim": arrays["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        "decoder_ffn_dim": arrays["decoder/layer_0/ffn/linear_0/weight"].shape[0],
        "max_source_positions": arrays["encoder/position_encodings/encodings"].shape[0],
        "max_target_positions": arrays["decoder/position_encodings/encodings"].shape[0],
    }


def _state_dict(arrays: Arrays) -> dict[str, NDArray[np.float32]]:
    state: dict[str, NDArray[Any]] = {
        "model.decoder.embed_tokens.weight": arrays["decoder/embeddings/weight"]
    }
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            state[f"model.encoder.{conv}.{kind}"] = arrays[f"encoder/{conv}/{kind}"]
    for part in ("encoder", "decoder"):
        positions = arrays[f"{part}/position_encodings/encodings"]
        state[f"model.{part}.embed_positions.weight"] = positions
        state |= _norm(arrays, f"{part}/layer_norm", f"model.{part}.layer_norm")
        for i in range(count_layers(arrays, part)):
            state |= _layer(arrays, f"{part}/layer_{i}", f"model.{part}.layers.{i}")
    return {name: np.array(array, np.float32) for name, array in state.items()}


def _layer(arrays: Arrays, source: str, target: str) -> dict[str, NDArray[Any]]:
    state = _norm(arrays, f"{source}/self_attention/layer_norm", f"{target}.self_attn_layer_norm")
    state |= _attention(arrays, f"{source}/self_attention", f"{target}.self_attn", stacked="qkv")
    if f"{source}/attention/linear_0/weight" in arrays:
        cross = f"{target}.encoder_attn"
        state |= _norm(arrays, f"{source}/attention/layer_norm", f"{cross}_layer_norm")
        state |= _attention(arrays, f"{source}/attention", cross, stacked="kv")
    state |= _norm(arrays, f"{source}/ffn/layer_norm", f"{target}.final_layer_norm")
    state |= _linear(arrays, f"{source}/ffn/linear_0", f"{target}.fc1")
    state |= _linear(arrays, f"{source}/ffn/linear_1", f"{target}.fc2")
    return state


def _norm(arrays: Arrays, source: str, target: str) -> dict[str, NDArray[Any]]:
    return {
        f"{target}.weight": arrays[f"{source}/gamma"],
        f"{target}.bias": arrays[f"{source}/beta"],
    }


def _linear(arrays: Arrays, source: str, target: str) -> dict[str, NDArray[Any]]:
    return {f"{target}.{kind}": arrays[f"{source}/{kind}"] for kind in ("weight", "bias")}


def _attention(arrays: Arrays, source: str, target: str, stacked: str) -> dict[str, NDArray[Any]]:
    """Split stacked projections: q, k and v in self-attention, k and v in cross-attention."""
    state: dict[str, NDArray[Any]] = {}
    names = [f"{letter}_proj" for letter in stacked]
    index, output = "linear_0", "linear_1"
    if stacked == "kv":
        state |= _linear(arrays, f"{source}/linear_0", f"{target}.q_proj")
        index, output = "linear_1", "linear_2"
    for kind in ("weight", "bias"):
        parts = np.split(arrays[f"{source}/{index}/{kind}"], len(names))
        for name, part in zip(names, parts, strict=True):
            if (name, kind) != ("k_proj", "bias"):  # Whisper's keys have no bias
                state[f"{target}.{name}.{kind}"] = part
    return state | _linear(arrays, f"{source}/{output}", f"{target}.out_proj")
