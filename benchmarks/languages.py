"""Languages other than English: detection and word error rates, compared with faster-whisper.

``python -m benchmarks.languages DATA`` with a folder as :mod:`benchmarks.clips` describes: its
non-English clips of at least five seconds, each with language detection. Both systems use the same
weights and two threads; faster-whisper runs with its defaults (beam 5).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import faster_whisper

from asr_core.engines import load_engine
from asr_core.full_context import transcribe
from asr_core.models import resolve
from benchmarks.clips import Clip, foreign_clips, print_table, wer_percent


def measure(data: Path, model: str) -> list[dict[str, Any]]:
    """Return a row for each language."""
    directory = resolve(model)
    ours = load_engine(directory, "onnx", n_threads=2)
    peer = faster_whisper.WhisperModel(
        str(directory), device="cpu", compute_type="int8", cpu_threads=2
    )
    by_language: dict[str, list[Clip]] = defaultdict(list)
    for clip in foreign_clips(data):
        by_language[clip["language"]].append(clip)
    rows = []
    for language, clips in sorted(by_language.items()):
        found = [transcribe(data / clip["path"], ours) for clip in clips]
        peer_found = [peer.transcribe(str(data / clip["path"])) for clip in clips]
        peer_texts = ["".join(segment.text for segment in segments) for segments, _ in peer_found]
        references = [clip["reference"] for clip in clips]
        rows.append(
            {
                "model": model,
                "language": language,
                "clips": len(clips),
                "language_right": sum(t.language == language for t in found),
                "wer": wer_percent(references, [t.text for t in found], language),
                "language_right_faster_whisper": sum(i.language == language for _, i in peer_found),
                "wer_faster_whisper": wer_percent(references, peer_texts, language),
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
