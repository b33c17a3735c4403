"""Quality and latency of the live session, compared with full context on the same weights.

``python -m benchmarks.live DATA`` with a folder as :mod:`benchmarks.clips` describes. Every clip is
played to a fresh session, twice:

- on a simulated clock the audio waits for the model: a latency is the amount of audio that had to
  arrive before a word appeared;
- on the machine's clock every call of the model takes its real time while the audio goes on, as on
  the page: what a speaker would have seen.

Word errors are those of the second run. They vary by chance: a clip that begins a few milliseconds
later gives other words, in full context as well, which moves the errors of 124 clips by half a point
up or down. ``--starts-ms 0 2.3 5`` plays each clip with each of these delays and pools the results.
``--minutes N`` measures instead how cost and memory grow while somebody speaks for N minutes,
``--without-model`` those of everything but the model, fast enough for a day (1440). ``--by-kind``
measures the errors in speech of many kinds (:mod:`benchmarks.kinds`) on the simulated clock: of the live
text, of the refined one, and of full context.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.engines import Engine, load_engine
from asr_core.engines.base import Hypothesis, Window
from asr_core.full_context import FileOptions, transcribe
from asr_core.models import resolve
from asr_core.streaming import LiveOptions, LiveSession, Scheduler, Snapshot, refine
from asr_core.streaming.replay import FRAME_S, LIVE_FRAME_SAMPLES
from asr_core.transcript import Word, comparison_key
from benchmarks.clips import (
    count_changes,
    english_clips,
    percentiles,
    print_table,
    silent_clips,
    wer_percent,
)
from benchmarks.kinds import count_errors, recordings_by_kind
from benchmarks.memory import held_mb

Samples = NDArray[np.float32]


@dataclass
class Reading:
    """Observations of a reader of the page: latencies in seconds, counts of words."""

    shown: list[float] = field(default_factory=list)
    committed: list[float] = field(default_factory=list)
    n_written: int = 0
    n_changed: int = 0
    _n_shown: int = 0
    _n_committed: int = 0
    _before: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """Start a new clip."""
        self._n_shown = self._n_committed = 0
        self._before = []

    def see(self, now: float, snapshot: Snapshot) -> None:
        """Record the page at ``now``."""
        final = snapshot.committed_words
        self.committed += [now - word.end for word in final[self._n_committed :]]
        self._n_committed = max(self._n_committed, len(final))
        visible = (*final, *snapshot.tentative)
        self.shown += [now - word.end for word in visible[self._n_shown :]]
        self._n_shown = max(self._n_shown, len(visible))
        texts = [comparison_key(word.text) for word in visible]
        if texts != self._before:
            n_changed, n_written = count_changes(self._before, texts)
            self.n_changed += n_changed
            self.n_written += n_written
            self._before = texts

    def figures(self, name: str) -> dict[str, str]:
        """Return the latency columns of the table."""
        return {
            f"shown_{name}_p50_p95_s": percentiles(self.shown),
            f"final_{name}_p50_p95_s": percentiles(self.committed),
        }


def speak(
    frames: Iterable[Samples], session: LiveSession, engine: Engine, *, simulated: bool
) -> Iterator[tuple[float, Snapshot]]:
    """Yield each change of the page with its time, on the clock chosen (see the module)."""
    scheduler = Scheduler(engine, start=False)
    scheduler.add(session)
    now = 0.0
    spoken_s = 0.0
    for frame in frames:
        session.append(frame)
        spoken_s += len(frame) / SAMPLE_RATE_HZ
        now = max(now, spoken_s)
        while now <= spoken_s:
            step_s = _step(scheduler, now)
            if step_s is None:
                break
            now += 0.0 if simulated else step_s
            yield now, session.snapshot
    session.finish()
    while not session.is_done:
        now += (_step(scheduler, now) or 0.0) * (not simulated)
        yield now, session.snapshot


def _frames(samples: Samples) -> Iterator[Samples]:
    """Split samples into frames as a microphone delivers them."""
    return (
        samples[at : at + LIVE_FRAME_SAMPLES] for at in range(0, len(samples), LIVE_FRAME_SAMPLES)
    )


def _step(scheduler: Scheduler, now: float) -> float | None:
    started = time.perf_counter()
    return time.perf_counter() - started if scheduler.step(now) else None


def measure(
    data: Path,
    kind: str,
    model: str,
    language: str | None,
    every: int = 1,
    starts_ms: Sequence[float] = (0,),
) -> dict[str, Any]:
    """Return one row of the table, from every ``every``-th clip."""
    engine = load_engine(resolve(model), "onnx")
    on_clock, simulated = Reading(), Reading()
    references, streamed, full = [], [], []
    audio_s = core_s = 0.0
    clips = english_clips(data, kind)[::every]
    for start_ms, clip in itertools.product(starts_ms, clips):
        samples = _later(decode(data / clip["path"]), start_ms)
        _read(simulated, samples, engine, language, simulated=True)
        started = time.process_time()
        streamed.append(_read(on_clock, samples, engine, language, simulated=False))
        core_s += time.process_time() - started
        audio_s += len(samples) / SAMPLE_RATE_HZ
        references.append(clip["reference"])
        full.append(_full_context(samples, engine, language))
    return {
        "model": model,
        "clips": len(references),
        "audio_s": round(audio_s),
        "wer_streaming": wer_percent(references, streamed),
        "wer_full_context": wer_percent(references, full),
        **on_clock.figures("machine"),
        **simulated.figures("simulated"),
        "changed_percent": round(100 * on_clock.n_changed / max(1, on_clock.n_written), 1),
        "core_s_per_audio_s": round(core_s / audio_s, 2),
        "hallucinated_words": _hallucinated(data, engine, language),
        "peak_mb": round(_peak_mb()),
    }


def _later(samples: Samples, start_ms: float) -> Samples:
    """Return ``samples`` after ``start_ms`` of silence."""
    return np.pad(samples, (round(start_ms * SAMPLE_RATE_HZ / 1000), 0))


def _full_context(samples: Samples, engine: Engine, language: str | None) -> str:
    return transcribe(samples, engine, FileOptions(language)).text


def _read(
    reading: Reading, samples: Samples, engine: Engine, language: str | None, *, simulated: bool
) -> str:
    session = LiveSession(LiveOptions(language=language))
    reading.begin()
    for now, snapshot in speak(_frames(samples), session, engine, simulated=simulated):
        reading.see(now, snapshot)
    return session.snapshot.transcript().text


def _hallucinated(data: Path, engine: Engine, language: str | None) -> int:
    """Count the words written for clips without speech."""
    n_words = 0
    for clip in silent_clips(data):
        text = _read(Reading(), decode(data / clip["path"]), engine, language, simulated=True)
        n_words += len(text.split())
    return n_words


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_length(data: Path, engine: Engine, name: str, minutes: int) -> list[dict[str, Any]]:
    """Return cost and memory of each minute of endless speech; beyond two hours, of each hour.

    Memory is what is in use and the pages that hold it at the end of the minute, and the mean of the
    resident size within it.
    """
    session = LiveSession(LiveOptions(language="en"))
    each_s = 3600 if minutes > 120 else 60
    rows: list[dict[str, Any]] = []
    started, first = time.process_time(), None
    process, memory = psutil.Process(), []
    for now, _ in speak(_endless(data, minutes), session, engine, simulated=True):
        memory.append(process.memory_info().rss / 1e6)
        if now >= each_s * (len(rows) + 1):
            spent = time.process_time() - started
            first = first or spent
            in_use, pages = held_mb()
            rows.append(
                {
                    "model": name,
                    "minute": len(rows) + 1 if each_s == 60 else 60 * (len(rows) + 1),
                    "core_s": round(spent, 1),
                    "over_first": round(spent / first, 2),
                    "mean_mb": round(np.mean(memory)),
                    "in_use_mb": round(in_use),
                    "pages_mb": round(pages),
                    # Line by line, since words are unpacked on access.
                    "words": sum(len(s.words) for s in session.snapshot.transcript().segments),
                }
            )
            memory.clear()
            started = time.process_time()  # after the measuring itself
    return rows


def _endless(data: Path, minutes: int) -> Iterator[Samples]:
    """Yield frames of the long recordings, repeated for ``minutes``."""
    clips = english_clips(data, "long") or english_clips(data, "clean")
    once = list(_frames(np.concatenate([decode(data / clip["path"]) for clip in clips])))
    # One second more, so that the last minute is complete.
    return itertools.islice(itertools.cycle(once), round((60 * minutes + 1) / FRAME_S))


def measure_kinds(
    data: Path, model: str, language: str | None, only: Sequence[str], every: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for each kind of speech: wrong words in percent, with those left out and added.

    The last number of each column counts the words that were written again beside themselves.
    """
    engine = load_engine(resolve(model), "onnx")
    for kind, recordings in recordings_by_kind(data).items():
        some = recordings[::every] if not only or kind in only else []
        texts = [_three_texts(each.samples, engine, language) for each in some]
        if texts:
            counts = [
                str(count_errors([each.reference for each in some], column))
                for column in zip(*texts, strict=True)
            ]
            names = ("streaming", "refined", "full context")
            yield {
                "model": model,
                "kind": kind,
                "recordings": len(some),
                "words": sum(len(each.reference.split()) for each in some),
                **dict(zip(names, counts, strict=True)),
            }


def _three_texts(samples: Samples, engine: Engine, language: str | None) -> tuple[str, str, str]:
    """Return the live text, the refined one, and that of full context."""
    session = LiveSession(LiveOptions(language=language, refine=True))
    for _ in speak(_frames(samples), session, engine, simulated=True):
        pass
    live, refined = session.snapshot.transcript().text, refine(session, engine).text
    return live, refined, _full_context(samples, engine, language)


class Scribe:
    """Stand-in for the model, for a day of speech: a word for every half second, at once.

    Everything else is real: detector, windows, policy, lines.
    """

    n_parallel = batch_size = 1

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        return [self._hypothesis(window.samples, len(window.prefix)) for window in windows]

    def _hypothesis(self, samples: Samples, n_known: int) -> Hypothesis:
        # The samples determine the word, so that another pass over them finds the same.
        picked = samples[: len(samples) // 8000 * 8000 : 8000]
        texts = [
            f" w{abs(round(float(x) * 1e4))}" + "." * (i % 8 == 7) for i, x in enumerate(picked)
        ]
        words = [Word(text, i / 2, i / 2 + 0.45, 0.9) for i, text in enumerate(texts)]
        new = tuple(words[n_known:])  # a token a word
        return Hypothesis(new, ((1,),) * len(new), "en", 1.0, 0.0, -0.1, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a manifest.jsonl")
    parser.add_argument("--models", nargs="+", default=["tiny.en", "base"])
    parser.add_argument("--kind", default="clean")
    parser.add_argument("--language", default="en", help="or 'detect' (default: en)")
    parser.add_argument("--every", type=int, default=1, help="use every n-th clip (default: all)")
    parser.add_argument("--starts-ms", nargs="+", type=float, default=[0], help="see above")
    parser.add_argument("--minutes", type=int, help="measure growth over so many minutes instead")
    parser.add_argument("--without-model", action="store_true", help="with --minutes: all but it")
    parser.add_argument("--by-kind", nargs="*", metavar="KIND", help="all kinds, or these alone")
    options = parser.parse_args()
    language = None if options.language == "detect" else options.language
    if options.minutes:
        engines = (
            [(model, load_engine(resolve(model), "onnx")) for model in options.models]
            if not options.without_model
            else [("none", Scribe())]
        )
        print_table(
            [
                row
                for name, engine in engines
                for row in measure_length(options.data, engine, name, options.minutes)
            ]
        )
        return
    if options.by_kind is not None:
        arguments = (language, options.by_kind, options.every)
        print_table(
            [
                row
                for model in options.models
                for row in measure_kinds(options.data, model, *arguments)
            ]
        )
        return
    print_table(
        [
            measure(options.data, options.kind, model, language, options.every, options.starts_ms)
            for model in options.models
        ]
    )


if __name__ == "__main__":
    main()
