"""Our live session compared with others: same clips, weights, threads and clock.

``python -m benchmarks.peers.run DATA`` with a folder as :mod:`benchmarks.clips` describes. Each
peer runs in an environment of its own, installed on first use, and receives the clips in real time;
:mod:`player` records what it shows, and when. whisper-streaming, WhisperLive and RealtimeSTT build
on Debian's ``libasound2-dev`` and ``portaudio19-dev``.

A word counts as shown, or final, when it first appears in the text. The times at which words were
spoken come from full context, since most peers report none.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from asr_core.audio.decode import decode
from asr_core.engines import load_engine
from asr_core.full_context import FileOptions, transcribe
from asr_core.models import resolve
from asr_core.transcript import Word, comparison_key
from benchmarks.clips import (
    Clip,
    count_changes,
    english_clips,
    percentiles,
    print_table,
    wer_percent,
)
from benchmarks.environments import python_of

HERE = Path(__file__).parent

PEERS: dict[str, list[str]] = {
    "ours": [],
    "plain": ["faster-whisper==1.2.1"],
    "whisper_streaming_peer": ["whisper-streaming[faster-whisper]==0.1.0"],
    "whisper_livekit_peer": ["whisperlivekit==0.2.26", "torch==2.13.0"],
    "whisper_live_peer": ["whisper-live==0.10.0", "torch==2.13.0"],
    "realtime_stt_peer": ["realtimestt[faster-whisper,silero-vad]==1.1.2", "torch==2.13.0"],
    "moonshine_peer": ["moonshine-voice==0.1.0"],
}
"""Requirements of each peer; some need Debian's portaudio19-dev, libasound2-dev and g++."""

Update = tuple[float, str, str]


@dataclass(frozen=True)
class ReferenceClip:
    """Clip with its words in full context."""

    clip: Clip
    words: tuple[Word, ...]


def run_peer(peer: str, folder: Path, model: Path) -> tuple[dict[str, list[Update]], float, float]:
    """Return what ``peer`` showed for each clip, its core-seconds and its memory in MB."""
    out = folder / f"{peer}.json"
    with (folder / f"{peer}.log").open("w") as log:
        process = subprocess.Popen(
            [
                str(python_of(peer, PEERS[peer])),
                str(HERE / f"{peer}.py"),
                str(folder),
                str(model),
                str(out),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        before = after = memory_mb = 0.0
        for line in process.stdout:
            if line.strip() == "ready":
                before, _ = _spent(process.pid)
            elif line.strip() == "done":
                after, memory_mb = _spent(process.pid)
            else:
                continue
            process.stdin.write("\n")
            process.stdin.flush()
            if after:
                break
        for child in _tree(process.pid):
            child.kill()
        process.wait()
    if not out.exists():
        tail = (folder / f"{peer}.log").read_text().strip().splitlines()[-3:]
        raise RuntimeError(f"{peer} failed: {' '.join(tail)}")
    return json.loads(out.read_text()), after - before, memory_mb


def _tree(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [*parent.children(recursive=True), parent]


def _spent(pid: int) -> tuple[float, float]:
    """Return the core-seconds so far, and the memory in MB, of a process and its children."""
    tree = _tree(pid)
    times = [process.cpu_times() for process in tree]
    memory = sum(process.memory_info().rss for process in tree)
    return sum(t.user + t.system for t in times), memory / 1e6


def texts_of(text: str) -> list[str]:
    return [word for word in map(comparison_key, text.split()) if word]


def latencies(clip: ReferenceClip, texts: Sequence[tuple[float, str]]) -> Iterator[float]:
    """Yield for each word the seconds from its end until it first appeared in the text."""
    wanted = [comparison_key(word.text) for word in clip.words]
    waiting = set(range(len(wanted)))
    for seconds, text in texts:
        matcher = difflib.SequenceMatcher(None, wanted, texts_of(text), autojunk=False)
        for start, _, n in matcher.get_matching_blocks():
            for i in waiting & set(range(start, start + n)):
                waiting.discard(i)
                yield seconds - clip.words[i].end


def count_updates(updates: Sequence[Update]) -> tuple[int, int]:
    """Return how many shown words were changed later, and how many were written."""
    texts = [texts_of(f"{final} {tentative}") for _, final, tentative in updates]
    steps = [count_changes(before, now) for before, now in itertools.pairwise([[], *texts])]
    return sum(n for n, _ in steps), sum(n for _, n in steps)


def row(peer: str, model: str, clips: Sequence[ReferenceClip], folder: Path) -> dict[str, Any]:
    """Return one line of the table."""
    shown, core_s, memory_mb = run_peer(peer, folder, resolve(model))
    hypotheses, first, last, flicker = [], [], [], np.zeros(2)
    for each in clips:
        updates = shown[each.clip["id"]]
        hypotheses.append(" ".join(updates[-1][1:]) if updates else "")
        first += latencies(each, [(t, f"{final} {open_}") for t, final, open_ in updates])
        last += latencies(each, [(t, final) for t, final, _ in updates])
        flicker += count_updates(updates)
    audio_s = sum(each.clip["seconds"] for each in clips)
    return {
        "peer": peer.removesuffix("_peer"),
        "model": model if peer != "moonshine_peer" else "moonshine tiny-en",
        "wer": wer_percent([each.clip["reference"] for each in clips], hypotheses),
        "shown_p50_p95_s": percentiles(first),
        "final_p50_p95_s": percentiles(last),
        "changed_percent": round(float(100 * flicker[0] / max(1, flicker[1])), 1),
        "core_s_per_audio_s": round(core_s / audio_s, 2),
        "memory_mb": round(memory_mb),
    }


def prepare(data: Path, every: int, model: str, folder: Path) -> tuple[list[ReferenceClip], float]:
    """Save every n-th clip as samples in ``folder``; return them and full context's error rate."""
    engine = load_engine(resolve(model), "onnx")
    clips = []
    for clip in english_clips(data, "clean")[::every]:
        np.save(folder / f"{clip['id']}.npy", decode(data / clip["path"]))
        transcript = transcribe(data / clip["path"], engine, FileOptions("en"))
        words = tuple(word for segment in transcript.segments for word in segment.words)
        clips.append(ReferenceClip(clip, words))
    (folder / "clips.json").write_text(json.dumps([each.clip["id"] for each in clips]))
    hypotheses = ["".join(word.text for word in each.words) for each in clips]
    return clips, wer_percent([each.clip["reference"] for each in clips], hypotheses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--every", type=int, default=10, help="use every n-th clip (default: 10)")
    options = parser.parse_args()
    rows = []
    for model in options.models:
        with tempfile.TemporaryDirectory() as name:
            clips, wer = prepare(options.data, options.every, model, Path(name))
            print(f"{model}: {len(clips)} clips, full context {wer} % wrong", file=sys.stderr)
            for peer in options.peers:
                if peer == "moonshine_peer" and model != options.models[0]:
                    continue  # it has one model, its own
                try:
                    rows.append(row(peer, model, clips, Path(name)))
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    print(error, file=sys.stderr)
                else:
                    print(rows[-1], file=sys.stderr, flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
