"""Audio clips with reference transcripts, and what the benchmarks share.

A folder of clips has a ``manifest.jsonl``; a line is a clip: path, seconds, kind, language,
reference.
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

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.pcm import clip_to_int16
from asr_core.evaluation.metrics import normaliser

__all__ = [
    "Clip",
    "core_clips",
    "count_changes",
    "describe_machine",
    "english_clips",
    "foreign_clips",
    "percentiles",
    "print_table",
    "silent_clips",
    "wer_percent",
    "write_wav",
]

Clip = dict[str, Any]


def _clips(data: Path) -> list[Clip]:
    lines = (data / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def english_clips(data: Path, kind: str) -> list[Clip]:
    """Return the English clips of ``kind`` that have a reference."""
    return [
        clip
        for clip in _clips(data)
        if clip["kind"] == kind and clip["reference"] and clip["language"] in ("en", None)
    ]


def core_clips(data: Path) -> list[Clip]:
    """Return the balanced English set on which error rates are quoted."""
    return [clip for clip in english_clips(data, "clean") if clip["core"]]


def foreign_clips(data: Path, at_least_s: float = 5.0) -> list[Clip]:
    """Return the clips in languages other than English that have a reference."""
    return [
        clip
        for clip in _clips(data)
        if clip["kind"] == "nonenglish" and clip["reference"] and clip["seconds"] >= at_least_s
    ]


def silent_clips(data: Path) -> list[Clip]:
    """Return the clips without speech; every word written for them is hallucinated."""
    return [clip for clip in _clips(data) if clip["kind"] == "noise"]


def wer_percent(
    references: Sequence[str], hypotheses: Sequence[str], language: str = "en"
) -> float:
    """Return the word error rate in percent, on normalised texts."""
    normalise = normaliser(language)
    error_rate = jiwer.wer([normalise(r) for r in references], [normalise(h) for h in hypotheses])
    return round(100 * error_rate, 2)


def count_changes(before: Sequence[str], now: Sequence[str]) -> tuple[int, int]:
    """Return how many words of ``before`` were changed and how many of ``now`` are new."""
    n_changed = n_written = 0
    matcher = difflib.SequenceMatcher(None, before, now, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            n_changed += b - a
        if kind in ("replace", "insert"):
            n_written += d - c
    return n_changed, n_written


def percentiles(values: Sequence[float], upper: int = 95) -> str:
    """Return median and an upper percentile for a table."""
    if not values:
        return "–"
    return " / ".join(f"{np.percentile(values, p):.2f}" for p in (50, upper))


def describe_machine() -> dict[str, Any]:
    """Return the hardware and system that the figures come from."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows with equal keys as a Markdown table, then everything as a line of JSON."""
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    print(json.dumps({**describe_machine(), "rows": list(rows)}))


def write_wav(path: Path, samples: NDArray[np.float32]) -> None:
    """Write (n_samples,) float32 at 16 kHz as 16-bit WAV, for systems that read files."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(clip_to_int16(samples).tobytes())
