"""The clips of a folder with a ``manifest.jsonl``, and how their texts are compared.

A line of the manifest is a clip: path, seconds, kind, language, reference.
"""

from __future__ import annotations

import difflib
import json
import os
import platform
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from numpy.typing import NDArray
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from asr_core.audio import SAMPLE_RATE_HZ

__all__ = [
    "Clip",
    "changes",
    "core_clips",
    "english_clips",
    "foreign_clips",
    "machine",
    "percent_wrong",
    "percentiles",
    "print_table",
    "silent_clips",
    "write_wav",
]

Clip = dict[str, Any]

_normalise = EnglishTextNormalizer({})


def _clips(data: Path) -> list[Clip]:
    lines = (data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def english_clips(data: Path, kind: str) -> list[Clip]:
    """The English clips of ``kind`` whose words are known."""
    return [
        clip
        for clip in _clips(data)
        if clip["kind"] == kind and clip["reference"] and clip["language"] in ("en", None)
    ]


def core_clips(data: Path) -> list[Clip]:
    """The balanced English set to quote error rates on."""
    return [clip for clip in english_clips(data, "clean") if clip["core"]]


def foreign_clips(data: Path, at_least_s: float = 5.0) -> list[Clip]:
    """Those in other languages than English, with their words."""
    return [
        clip
        for clip in _clips(data)
        if clip["kind"] == "nonenglish" and clip["reference"] and clip["seconds"] >= at_least_s
    ]


def silent_clips(data: Path) -> list[Clip]:
    """Those without speech: every word written for them is invented."""
    return [clip for clip in _clips(data) if clip["kind"] == "noise"]


def percent_wrong(said: Sequence[str], heard: Sequence[str]) -> float:
    """Word error rate in percent, after Whisper's English normaliser."""
    error_rate = jiwer.wer([_normalise(s) for s in said], [_normalise(h) for h in heard])
    return round(100 * error_rate, 2)


def changes(before: Sequence[str], now: Sequence[str]) -> tuple[int, int]:
    """How many words of ``before`` were changed, and how many of ``now`` written."""
    n_changed = n_written = 0
    matcher = difflib.SequenceMatcher(None, before, now, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            n_changed += b - a
        if kind in ("replace", "insert"):
            n_written += d - c
    return n_changed, n_written


def percentiles(values: Sequence[float], upper: int = 95) -> str:
    """Median and an upper percentile, for a table."""
    if not values:
        return "–"
    return " / ".join(f"{np.percentile(values, p):.2f}" for p in (50, upper))


def machine() -> dict[str, Any]:
    """What the figures were made on."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Rows with the same keys as a Markdown table, then all as one line of JSON."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    print(json.dumps({**machine(), "rows": list(rows)}))


def write_wav(path: Path, samples: NDArray[np.float32]) -> None:
    """(n_samples,) at 16 kHz, in 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())
