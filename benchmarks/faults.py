"""Faults, singly and at random, while people speak and testers save: what is lost?

``python -m benchmarks.faults DATA --minutes 60`` with a folder as :mod:`benchmarks.clips` describes;
filling a disk needs root. Two speakers send frames in real time to the page's
``RecordingController``; a tester keeps adding cases to a store. Every recording has one or two faults.
For each kind the table has the sentences that a user would have read, final words that changed,
missing samples, confirmed cases that are gone, and how many words differ from the same speech without
a fault (some always do, since partial passes depend on timing).

Raising, hanging and lack of memory are simulated in front of the real engine; the full disk, the
locked database, the missing model files and the lost packets are real. What kills the process
(SIGTERM, SIGKILL, coturn) is in ``tests/browser`` and ``tests/database/test_store.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import fractions
import logging
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.audio.pcm import to_int16
from asr_core.engines import Engine, load_engine
from asr_core.engines.base import Hypothesis, Window
from asr_core.errors import EngineError, StoreError
from asr_core.evaluation.cases import NewCase
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import Store
from asr_core.models import resolve
from asr_core.streaming import LiveOptions, Recording, RecordingController, scheduler_for
from asr_core.streaming.replay import LIVE_FRAME_SAMPLES
from benchmarks.clips import english_clips, print_table, wer_percent

RECORDING_S = 24.0
FAULT_S = (1.0, 5.0)


class Faulty:
    """Real engine behind simulated faults."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.fault: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def transcribe(self, windows: Sequence[Window], **options: Any) -> list[Hypothesis]:
        fault = self.fault
        if fault is not None:
            fault()
        return self._engine.transcribe(windows, **options)


@dataclass
class Place:
    """Objects that faults act on."""

    engine: Faulty
    model: Path  # a copy of ours
    folder: Path  # of the store, on a small disk of its own
    lost: threading.Event = field(default_factory=threading.Event)  # packets do not arrive


@contextlib.contextmanager
def _raising(place: Place, error: Exception) -> Iterator[None]:
    def fault() -> None:
        raise error

    place.engine.fault = fault
    yield
    place.engine.fault = None


def engine_raises(place: Place) -> contextlib.AbstractContextManager[None]:
    return _raising(place, EngineError("The model failed on purpose."))


def out_of_memory(place: Place) -> contextlib.AbstractContextManager[None]:
    return _raising(place, MemoryError())


@contextlib.contextmanager
def engine_hangs(place: Place) -> Iterator[None]:
    over = threading.Event()
    place.engine.fault = over.wait  # type: ignore[assignment]
    yield
    place.engine.fault = None
    over.set()


@contextlib.contextmanager
def model_deleted(place: Place) -> Iterator[None]:
    away = place.model.with_suffix(".away")
    place.model.rename(away)
    yield
    away.rename(place.model)


@contextlib.contextmanager
def disk_full(place: Place) -> Iterator[None]:
    filler = place.folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(65536))
    yield
    filler.unlink()


@contextlib.contextmanager
def database_locked(place: Place) -> Iterator[None]:
    connection = sqlite3.connect(place.folder / "testbench.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@contextlib.contextmanager
def clock_jumps(_: Place) -> Iterator[None]:
    """Move the wall clock by a day; our clocks are monotonic."""
    real = time.time
    time.time = lambda: real() + 86_400
    yield
    time.time = real


@contextlib.contextmanager
def packets_lost(place: Place) -> Iterator[None]:
    place.lost.set()
    yield
    place.lost.clear()


FAULTS = (
    engine_raises, out_of_memory, engine_hangs, model_deleted, disk_full, database_locked,
    clock_jumps, packets_lost,
)  # fmt: skip


@dataclass
class Seen:
    """Results of one kind of fault."""

    n_recordings: int = 0
    taken_back: int = 0
    missing_s: float = 0.0
    references: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)
    sentences: set[str] = field(default_factory=set)


def speak(
    controller: RecordingController, samples: NDArray[np.int16], lost: threading.Event
) -> Iterator[Recording]:
    """Send frames of 20 ms in real time; yield after each."""
    started = time.monotonic()
    for at in range(0, len(samples) - LIVE_FRAME_SAMPLES + 1, LIVE_FRAME_SAMPLES):
        ahead_s = at / SAMPLE_RATE_HZ - (time.monotonic() - started)
        if ahead_s > 0:
            time.sleep(ahead_s)
        if lost.is_set() and at:
            continue
        frame = av.AudioFrame.from_ndarray(
            samples[None, at : at + LIVE_FRAME_SAMPLES], "s16", "mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, at
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        controller.on_frame(frame)
        yield controller.all[-1]


def watched(place: Place, samples: NDArray[np.int16], seen: Seen) -> str:
    """Run one recording and return its final text."""
    controller = RecordingController()
    scheduler = scheduler_for(place.engine)  # type: ignore[arg-type]
    scheduler.admission._capacity = lambda: 4  # both at once, however slow faults make it
    controller.prepare(scheduler, LiveOptions("en"))
    before: tuple[str, ...] = ()
    recording = None
    for recording in speak(controller, samples, place.lost):
        snapshot = recording.session.snapshot
        if snapshot.error:
            seen.sentences.add(snapshot.error)
        final = tuple(word.text for word in snapshot.committed_words)
        seen.taken_back += final[: len(before)] != before
        before = final
    assert recording is not None
    controller.end()
    assert recording.session.wait(300), "the recording does not end"
    snapshot = recording.session.snapshot
    final = tuple(word.text for word in snapshot.committed_words)
    seen.taken_back += final[: len(before)] != before
    seen.missing_s += max(0.0, len(samples) / SAMPLE_RATE_HZ - snapshot.audio_s - 0.05)
    seen.n_recordings += 1
    return snapshot.transcript().text


class Tester(threading.Thread):
    """Thread that keeps adding cases and remembers which were confirmed or refused."""

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self._store = store
        self.confirmed: set[str] = set()
        self.refused: set[str] = set()
        self.is_over = threading.Event()

    def run(self) -> None:
        rng = np.random.default_rng(0)
        while not self.is_over.wait(0.5):
            number = len(self.confirmed)
            case = NewCase(f"{number}", f"{number}", rng.integers(-9, 9, 8000, np.int16))
            try:
                self.confirmed.add(self._store.add_case(case).id)
            except StoreError as error:
                self.refused.add(str(error))


def measure(data: Path, minutes: float, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    speech = np.concatenate([decode(data / c["path"]) for c in english_clips(data, "long")])
    sound = to_int16(speech)
    seen: dict[str, Seen] = defaultdict(Seen)
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk") as folder:
        model = shutil.copytree(resolve("tiny.en"), Path(name) / "model")
        place = Place(Faulty(load_engine(model, "onnx")), model, folder)
        store = Store(f"sqlite:///{folder}/testbench.db", folder / "audio").acting(
            Actor("", Role.REVIEWER)
        )
        tester = Tester(store)
        tester.start()
        n_threads = threading.active_count()
        deadline = time.monotonic() + 60 * minutes
        kinds = [[fault] for fault in FAULTS]  # one by one first
        while kinds or time.monotonic() < deadline:
            faults = kinds.pop() if kinds else rng.sample(FAULTS, rng.choice((1, 2)))
            _round(place, sound, faults, rng, seen)
        tester.is_over.set()
        tester.join()
        gone = tester.confirmed - {case.id for case in store.cases()}
        store.close()
        time.sleep(2)
        left = threading.active_count() + 1 - n_threads
    rows = [_row(name, each) for name, each in sorted(seen.items())]
    print(f"cases confirmed {len(tester.confirmed)}, gone {len(gone)}; threads left {left}")
    for name, each in sorted(seen.items()):
        print(f"{name}: {' | '.join(sorted(each.sentences)) or 'nothing to read'}")
    print(f"refused: {' | '.join(sorted(tester.refused)) or 'nothing'}")
    return rows


def _round(
    place: Place, sound: NDArray[np.int16], faults: Sequence[Any], rng: random.Random,
    seen: dict[str, Seen],
) -> None:  # fmt: skip
    """Run two speakers with faults, then the same speech without."""
    n = int(RECORDING_S * SAMPLE_RATE_HZ)
    parts = [sound[at : at + n] for at in (rng.randrange(len(sound) - n) for _ in range(2))]
    name = " and ".join(sorted(fault.__name__.replace("_", " ") for fault in faults))
    # A pool passes exceptions of its threads on.
    with ThreadPoolExecutor(3) as pool:
        trouble = pool.submit(_cause, place, faults, rng.random())
        hypotheses = _both(pool, place, parts, seen[name])
        trouble.result()
        seen[name].references += _both(pool, place, parts, seen["no fault"])
        seen[name].hypotheses += hypotheses


def _both(
    pool: ThreadPoolExecutor, place: Place, parts: Sequence[NDArray[np.int16]], seen: Seen
) -> list[str]:
    return list(pool.map(lambda part: watched(place, part, seen), parts))


def _cause(place: Place, faults: Sequence[Any], seed: float) -> None:
    rng = random.Random(seed)
    for fault in faults:
        time.sleep(rng.uniform(2.0, RECORDING_S / 2 - FAULT_S[1]))
        with fault(place):
            time.sleep(rng.uniform(*FAULT_S))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Provide a file system of 64 MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _row(name: str, seen: Seen) -> dict[str, Any]:
    return {
        "fault": name,
        "recordings": seen.n_recordings,
        "final_words_taken_back": seen.taken_back,
        "sound_missing_s": round(seen.missing_s, 1),
        "words_otherwise_percent": wer_percent(seen.references, seen.hypotheses)
        if seen.references
        else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable()  # every fault is logged too
    print_table(measure(options.data, options.minutes, options.seed))


if __name__ == "__main__":
    main()
