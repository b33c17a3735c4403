"""Other languages beside faster-whisper: is the language found, and how many words are wrong.

``python -m benchmarks.languages DATA`` with a folder as :mod:`benchmarks.clips`
describes: its clips of five seconds or more that are not English, each with the
language detected. Same weights, two threads; faster-whisper with its defaults
(beam 5).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faster_whisper
import jiwer
from transformers.models.whisper.english_normalizer import BasicTextNormalizer

from asr_core.engines import load_engine
from asr_core.fullcontext import transcribe
from asr_core.models import resolve
from benchmarks.clips import Clip, foreign_clips, print_table

SPACELESS = ("ja", "zh")
"""Scored by the character."""


def percent_wrong(language: str, said: Sequence[str], heard: Sequence[str]) -> float:
    """Word error rate in percent after Whisper's basic normaliser."""
    normalise = BasicTextNormalizer(split_letters=language in SPACELESS)
    return round(100 * jiwer.wer([normalise(s) for s in said], [normalise(h) for h in heard]), 2)


def measure(data: Path, model: str) -> list[dict[str, Any]]:
    directory = resolve(model)
    ours = load_engine(directory, "onnx", n_threads=2)
    other = faster_whisper.WhisperModel(
        str(directory), device="cpu", compute_type="int8", cpu_threads=2
    )
    by_language: dict[str, list[Clip]] = defaultdict(list)
    for clip in foreign_clips(data):
        by_language[clip["language"]].append(clip)
    rows = []
    for language, clips in sorted(by_language.items()):
        found = [transcribe(data / clip["path"], ours) for clip in clips]
        others = [other.transcribe(str(data / clip["path"])) for clip in clips]
        other_texts = ["".join(segment.text for segment in segments) for segments, _ in others]
        said = [clip["reference"] for clip in clips]
        rows.append(
            {
                "model": model,
                "language": language,
                "clips": len(clips),
                "language_right": sum(t.language == language for t in found),
                "wer": percent_wrong(language, said, [t.text for t in found]),
                "language_right_faster_whisper": sum(i.language == language for _, i in others),
                "wer_faster_whisper": percent_wrong(language, said, other_texts),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--model", default="base")
    options = parser.parse_args()
    print_table(measure(options.data, options.model))


if __name__ == "__main__":
    main()
