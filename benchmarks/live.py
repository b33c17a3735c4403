"""How good and how quick the live session is, beside full context on the same weights.

``python -m benchmarks.live DATA`` with a folder that has a ``manifest.jsonl`` (a
line a clip: path, seconds, kind, language, reference). The clock is simulated:
latencies are how much audio had to be heard before a word was final; the
machine's own speed stands apart, as core-seconds per second of audio.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from asr_core.audio.decode import AudioFile
from asr_core.engines import Engine, load_engine
from asr_core.fullcontext import transcribe
from asr_core.live import LiveOptions, LiveSession
from asr_core.live.replay import replay
from asr_core.models import resolve

normalise = EnglishTextNormalizer({})


def clips(data: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The English clips of ``kind`` whose words are known."""
    for line in (data / "manifest.jsonl").read_text().splitlines():
        clip = json.loads(line)
        if clip["kind"] == kind and clip["reference"] and clip["language"] in ("en", None):
            yield clip


def stream(path: Path, engine: Engine) -> tuple[str, list[float], list[float]]:
    """Final text; latency of each word's first showing and of its commitment, seconds."""
    session = LiveSession(LiveOptions(language="en"))
    shown: list[float] = []
    committed: list[float] = []
    for snapshot in replay(AudioFile(path), session, engine, speed=None):
        words = snapshot.committed_words
        committed += [snapshot.audio_s - word.end for word in words[len(committed) :]]
        visible = [*words, *snapshot.tentative]
        shown += [snapshot.audio_s - word.end for word in visible[len(shown) :]]
    return session.snapshot.transcript().text, shown, committed


def measure(data: Path, kind: str, model: str) -> dict[str, Any]:
    """One row of the table."""
    engine = load_engine(resolve(model), "ctranslate2")
    said, streamed, full = [], [], []
    shown: list[float] = []
    committed: list[float] = []
    audio_s = core_s = 0.0
    for clip in clips(data, kind):
        path = data / clip["path"]
        started = time.process_time()
        text, first, final = stream(path, engine)
        core_s += time.process_time() - started
        audio_s += clip["seconds"]
        shown += first
        committed += final
        said.append(normalise(clip["reference"]))
        streamed.append(normalise(text))
        full.append(normalise(transcribe(path, engine, language="en").text))
    return {
        "model": model,
        "clips": len(said),
        "audio_s": round(audio_s),
        "wer_streaming": round(100 * jiwer.wer(said, streamed), 2),
        "wer_full_context": round(100 * jiwer.wer(said, full), 2),
        "shown_p50_s": round(float(np.percentile(shown, 50)), 2),
        "shown_p95_s": round(float(np.percentile(shown, 95)), 2),
        "committed_p50_s": round(float(np.percentile(committed, 50)), 2),
        "committed_p95_s": round(float(np.percentile(committed, 95)), 2),
        "core_s_per_audio_s": round(core_s / audio_s, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--kind", default="clean")
    options = parser.parse_args()
    rows = [measure(options.data, options.kind, model) for model in options.models]
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    machine = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({**machine, "rows": rows}))


if __name__ == "__main__":
    main()
