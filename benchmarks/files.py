"""Full context compared with other systems: speed, errors, memory, start-up and word times.

``python -m benchmarks.files DATA`` with a folder as :mod:`benchmarks.clips` describes: its long
recordings, and its core set joined into files of several minutes. Each system runs alone in a
process of its own, with two threads and the same weights. ``--by-kind`` measures the errors in speech
of many kinds (:mod:`benchmarks.kinds`) instead, with a row for each.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.models import resolve
from asr_core.transcript import comparison_key
from benchmarks.clips import (
    core_clips,
    english_clips,
    percentiles,
    print_table,
    wer_percent,
    write_wav,
)
from benchmarks.environments import python_of
from benchmarks.file_systems import SYSTEMS
from benchmarks.kinds import count_errors, recordings_by_kind
from benchmarks.weights import to_ggml, to_openai

JOINED_S = 300.0
GAP_S = 0.5

REQUIREMENTS = {
    "faster-whisper": ["faster-whisper==1.2.1"],
    "openai-whisper": ["openai-whisper==20250625", "torch==2.13.0"],
    "whisper.cpp": ["pywhispercpp==1.5.1", "numpy"],
}

PEER_FORMATS = {"openai-whisper": (".pt", to_openai), "whisper.cpp": (".ggml", to_ggml)}


@dataclass
class LongRecording:
    """File to transcribe, with its reference and, if known, the times of its utterances."""

    name: str
    samples: NDArray[np.float32]
    reference: str
    utterances: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Duration, seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


def recordings(data: Path) -> list[LongRecording]:
    """Return the long recordings and the joined core set."""
    result = []
    for clip in english_clips(data, "long"):
        times = data / f"{clip['path']}.segments.json"
        utterances = json.loads(times.read_text()) if times.exists() else []
        result.append(
            LongRecording(
                clip["id"],
                decode(data / clip["path"]),
                clip["reference"],
                [(u["text"], u["start"], u["end"]) for u in utterances],
            )
        )
    return result + list(_joined(data))


def _joined(data: Path) -> Iterator[LongRecording]:
    """Yield the core set joined; without times, since the clips begin and end with silence."""
    gap = np.zeros(int(GAP_S * SAMPLE_RATE_HZ), np.float32)
    parts: list[NDArray[np.float32]] = []
    references: list[str] = []
    number = 1
    clips = core_clips(data)
    for clip in clips:
        parts += [decode(data / clip["path"]), gap]
        references.append(clip["reference"])
        if sum(map(len, parts)) > JOINED_S * SAMPLE_RATE_HZ or clip is clips[-1]:
            yield LongRecording(f"core-{number}", np.concatenate(parts), " ".join(references))
            parts, references, number = [], [], number + 1


def edge_errors(recording: LongRecording, words: Sequence[Sequence[Any]]) -> list[float]:
    """Return the time errors at the first and last words of utterances, where recognised, in seconds."""
    reference: list[str] = []
    edges: dict[int, tuple[int, float]] = {}  # word → column of its time, and the time
    for text, start, end in recording.utterances:
        edges[len(reference)] = (1, start)
        reference += [t for t in map(comparison_key, text.split()) if t]
        edges.setdefault(len(reference) - 1, (2, end))
    hypothesis = [comparison_key(text) for text, _, _ in words]
    matcher = difflib.SequenceMatcher(None, reference, hypothesis, autojunk=False)
    errors = []
    for a, b, n in matcher.get_matching_blocks():
        for i in edges.keys() & set(range(a, a + n)):
            column, seconds = edges[i]
            errors.append(abs(words[b + i - a][column] - seconds))
    return errors


def row(system: str, model: str, known: Sequence[LongRecording], folder: Path) -> dict[str, Any]:
    """Return one line of the table."""
    answer = _run(system, model, folder)
    files = answer["files"]
    spent_s = sum(file["seconds"] for file in files.values())
    errors = [e for r in known for e in edge_errors(r, files[r.name]["words"])]
    return {
        "system": system,
        "model": model,
        "times_real_time": round(sum(r.seconds for r in known) / spent_s, 1),
        "wer_long": _wer([r for r in known if not r.name.startswith("core")], files),
        "wer_core": _wer([r for r in known if r.name.startswith("core")], files),
        "start_s": round(answer["load_s"], 1),
        "peak_mb": round(answer["peak_mb"]),
        "edge_error_p50_p90_s": percentiles(errors, 90),
    }


def kind_rows(
    systems: Sequence[str], model: str, data: Path, folder: Path
) -> Iterator[dict[str, Any]]:
    """Yield a row for each kind of speech: wrong words in percent, with those left out and added.

    The last number of each column counts the words that were written again beside themselves.
    """
    kinds = recordings_by_kind(data)
    for number, recordings in enumerate(kinds.values()):
        for i, each in enumerate(recordings):
            write_wav(folder / f"{number}-{i}.wav", each.samples)
    texts = {system: _texts(system, model, folder) for system in systems}
    for number, (kind, recordings) in enumerate(kinds.items()):
        references = [each.reference for each in recordings]
        yield {
            "model": model,
            "kind": kind,
            "recordings": len(recordings),
            **{
                system: str(
                    count_errors(references, [of[f"{number}-{i}"] for i in range(len(references))])
                )
                for system, of in texts.items()
            },
        }


def _texts(system: str, model: str, folder: Path) -> dict[str, str]:
    return {name: file["text"] for name, file in _run(system, model, folder)["files"].items()}


def _run(system: str, model: str, folder: Path) -> dict[str, Any]:
    """Return what a system, in a process of its own, makes of the WAV files of a folder."""
    out = folder / "out.json"
    name = system.split(",", maxsplit=1)[0]
    python = python_of(name.replace(" ", "-"), REQUIREMENTS.get(name, []))
    weights = _weights(name, resolve(model), folder)
    script = Path(__file__).with_name("file_systems.py")
    command = [str(python), str(script), system, folder, weights, out]
    root = str(Path(__file__).parents[1])  # of asr_core, which is not installed there
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": root})
    answer: dict[str, Any] = json.loads(out.read_text())
    return answer


def _weights(name: str, directory: Path, folder: Path) -> Path:
    """Return the model in the format of the system called ``name``."""
    if name not in PEER_FORMATS:
        return directory
    target = folder / f"{directory.name}{PEER_FORMATS[name][0]}"
    if not target.exists():
        PEER_FORMATS[name][1](directory, target)
    return target


def _wer(some: Sequence[LongRecording], files: dict[str, Any]) -> float:
    return wer_percent([r.reference for r in some], [files[r.name]["text"] for r in some])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--by-kind", action="store_true", help="see above")
    options = parser.parse_args()
    if options.by_kind:
        with tempfile.TemporaryDirectory() as name:
            print_table(
                [
                    row
                    for model in options.models
                    for row in kind_rows(options.systems, model, options.data, Path(name))
                ]
            )
        return
    known = recordings(options.data)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for recording in known:
            write_wav(Path(name) / f"{recording.name}.wav", recording.samples)
        for model in options.models:
            for system in options.systems:
                try:
                    rows.append(row(system, model, known, Path(name)))
                except subprocess.CalledProcessError as error:
                    print(f"{system} failed: {error}", file=sys.stderr)
                else:
                    print(rows[-1], file=sys.stderr, flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
