"""Number of simultaneous speakers at which the words fall behind.

``python -m benchmarks.load DATA`` with a folder as :mod:`benchmarks.clips` describes. One, two, four …
speakers read the long recordings in real time, each from another position, through one scheduler,
until the 95th percentile of the lag exceeds two seconds. The lag is what the page calls "behind":
audio that has arrived and is not processed. ``--beside-file`` measures instead one speaker alone, and
one while files are transcribed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.engines import Engine, EngineName, load_engine
from asr_core.errors import Cancelled
from asr_core.full_context import FileOptions, transcribe
from asr_core.models import resolve
from asr_core.streaming import LiveOptions, LiveSession, Scheduler
from asr_core.streaming.replay import FRAME_S
from benchmarks.clips import english_clips, print_table

EngineChoice = EngineName | Literal["auto"]

LIMIT_S = 2.0
SECONDS = 40.0
WARM_UP_S = 5.0


def speak(session: LiveSession, samples: NDArray[np.float32], started: float) -> None:
    """Append ``samples`` in real time, as a microphone would."""
    size = int(FRAME_S * SAMPLE_RATE_HZ)
    for at in range(0, len(samples), size):
        ahead_s = at / SAMPLE_RATE_HZ - (time.monotonic() - started)
        if ahead_s > 0:
            time.sleep(ahead_s)
        session.append(samples[at : at + size])


def lags(engine: Engine, speech: NDArray[np.float32], n_speakers: int) -> list[float]:
    """Return the lag of all speakers, sampled ten times a second."""
    scheduler = Scheduler(engine)
    sessions = [LiveSession(LiveOptions(language="en")) for _ in range(n_speakers)]
    n_samples = int(SECONDS * SAMPLE_RATE_HZ)
    started = time.monotonic()
    threads = []
    for number, session in enumerate(sessions):
        scheduler.add(session)
        own = np.roll(speech, -number * len(speech) // n_speakers)[:n_samples]
        threads.append(threading.Thread(target=speak, args=(session, own, started)))
        threads[-1].start()
    seen: list[float] = []
    while time.monotonic() - started < SECONDS:
        time.sleep(0.1)
        if time.monotonic() - started > WARM_UP_S:
            seen += [session.snapshot.lag_s for session in sessions]
    for thread, session in zip(threads, sessions, strict=True):
        thread.join()
        session.finish()
    for session in sessions:
        session.wait(120)
    return seen


def measure(data: Path, model: str, engine_name: EngineChoice) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of speakers, until the lag is too large."""
    engine = load_engine(resolve(model), engine_name, live=True)
    clips = [decode(data / clip["path"]) for clip in english_clips(data, "long")]
    speech = np.concatenate(clips)
    n_speakers = 1
    while True:
        started = time.process_time()
        seen = lags(engine, speech, n_speakers)
        p50, p95 = np.percentile(seen, (50, 95))
        spent = time.process_time() - started
        yield {
            "model": model,
            "speakers": n_speakers,
            "lag_p50_s": round(float(p50), 2),
            "lag_p95_s": round(float(p95), 2),
            "cores_busy": round(spent / SECONDS, 2),
        }
        if p95 > LIMIT_S:
            return
        n_speakers += 1 if n_speakers < 4 else 2


def measure_beside_file(
    data: Path, model: str, engine_name: EngineChoice
) -> Iterator[dict[str, Any]]:
    """Yield a row for one speaker alone, and one for a speaker while files are transcribed."""
    engine = load_engine(resolve(model), engine_name, live=True)
    paths = [data / clip["path"] for clip in english_clips(data, "long")]
    speech = np.concatenate([decode(path) for path in paths])
    for beside_file in (False, True):
        is_over = threading.Event()
        files = threading.Thread(target=_transcribe_on, args=(paths, engine, is_over.is_set))
        if beside_file:
            files.start()
        p50, p95 = np.percentile(lags(engine, speech, 1), (50, 95))
        is_over.set()
        if beside_file:
            files.join()
        yield {
            "model": model,
            "beside_file": beside_file,
            "lag_p50_s": round(float(p50), 2),
            "lag_p95_s": round(float(p95), 2),
        }


def _transcribe_on(paths: Sequence[Path], engine: Engine, is_over: Callable[[], bool]) -> None:
    with contextlib.suppress(Cancelled):
        for path in itertools.cycle(paths):
            transcribe(path, engine, FileOptions("en"), is_cancelled=is_over)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--beside-file", action="store_true", help="one speaker and a file")
    parser.add_argument("--engine", default="auto", choices=("auto", *get_args(EngineName)))
    options = parser.parse_args()
    rows = measure_beside_file if options.beside_file else measure
    print_table(
        [row for model in options.models for row in rows(options.data, model, options.engine)]
    )


if __name__ == "__main__":
    main()
