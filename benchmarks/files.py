"""Full context beside other systems: speed, errors, memory, start-up, times of words.

``python -m benchmarks.files DATA`` with a folder as :mod:`benchmarks.clips` describes:
its long recordings, and its core set joined into files of some minutes. Each system
runs alone in a process of its own, with two threads and the same weights.
"""

from __future__ import annotations

import argparse
import difflib
import json
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
from asr_core.transcript import normalised
from benchmarks.clips import (
    core_clips,
    english_clips,
    percent_wrong,
    percentiles,
    print_table,
    write_wav,
)
from benchmarks.environments import python_of
from benchmarks.file_systems import SYSTEMS
from benchmarks.weights import to_ggml, to_openai

JOINED_S = 300.0
GAP_S = 0.5

REQUIREMENTS = {
    "faster-whisper": ["faster-whisper==1.2.1"],
    "openai-whisper": ["openai-whisper==20250625", "torch==2.13.0"],
    "whisper.cpp": ["pywhispercpp==1.5.1", "numpy"],
}

FORMATS = {"openai-whisper": (".pt", to_openai), "whisper.cpp": (".ggml", to_ggml)}


@dataclass
class Recording:
    """A file to transcribe, with its words and, where known, its utterances' times."""

    name: str
    samples: NDArray[np.float32]
    reference: str
    utterances: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def recordings(data: Path) -> list[Recording]:
    """The long recordings and the joined core set."""
    result = []
    for clip in english_clips(data, "long"):
        times = data / f"{clip['path']}.segments.json"
        utterances = json.loads(times.read_text()) if times.exists() else []
        result.append(
            Recording(
                clip["id"],
                decode(data / clip["path"]),
                clip["reference"],
                [(u["text"], u["start"], u["end"]) for u in utterances],
            )
        )
    return result + list(_joined(data))


def _joined(data: Path) -> Iterator[Recording]:
    """Without times: the clips have silence of unknown length at both ends."""
    gap = np.zeros(int(GAP_S * SAMPLE_RATE_HZ), np.float32)
    parts: list[NDArray[np.float32]] = []
    references: list[str] = []
    number = 1
    clips = core_clips(data)
    for clip in clips:
        parts += [decode(data / clip["path"]), gap]
        references.append(clip["reference"])
        if sum(map(len, parts)) > JOINED_S * SAMPLE_RATE_HZ or clip is clips[-1]:
            yield Recording(f"core-{number}", np.concatenate(parts), " ".join(references))
            parts, references, number = [], [], number + 1


def edge_errors(recording: Recording, words: Sequence[Sequence[Any]]) -> list[float]:
    """Of each utterance whose first or last word was found, how far its time is off."""
    said: list[str] = []
    edges: dict[int, tuple[int, float]] = {}  # word → column of its time, and the time
    for text, start, end in recording.utterances:
        edges[len(said)] = (1, start)
        said += [t for t in map(normalised, text.split()) if t]
        edges.setdefault(len(said) - 1, (2, end))
    heard = [normalised(text) for text, _, _ in words]
    matcher = difflib.SequenceMatcher(None, said, heard, autojunk=False)
    errors = []
    for a, b, n in matcher.get_matching_blocks():
        for i in edges.keys() & set(range(a, a + n)):
            column, seconds = edges[i]
            errors.append(abs(words[b + i - a][column] - seconds))
    return errors


def row(system: str, model: str, known: Sequence[Recording], folder: Path) -> dict[str, Any]:
    """One line of the table."""
    out = folder / "out.json"
    name = system.split(",", maxsplit=1)[0]
    python = python_of(name.replace(" ", "-"), REQUIREMENTS.get(name, []))
    weights = _weights(name, resolve(model), folder)
    script = Path(__file__).with_name("file_systems.py")
    subprocess.run([str(python), str(script), system, folder, weights, out], check=True)
    answer = json.loads(out.read_text())
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


def _weights(name: str, directory: Path, folder: Path) -> Path:
    """The model in the format of the system called ``name``."""
    if name not in FORMATS:
        return directory
    target = folder / f"{directory.name}{FORMATS[name][0]}"
    if not target.exists():
        FORMATS[name][1](directory, target)
    return target


def _wer(some: Sequence[Recording], files: dict[str, Any]) -> float:
    return percent_wrong([r.reference for r in some], [files[r.name]["text"] for r in some])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    options = parser.parse_args()
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
