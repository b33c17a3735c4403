"""Speech of many kinds, and what a transcript of each got wrong.

From a folder of clips as :mod:`benchmarks.clips` describes; short answers and dictation are in its
``digits.jsonl``, conversations in ``conversations.jsonl``, where there are such files. The rest is
made of the clips here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import decode
from asr_core.evaluation.distortions import add_noise, change_gain, pink_noise, telephone
from asr_core.evaluation.metrics import normaliser
from benchmarks.clips import Clip, core_clips, english_clips, silent_clips

__all__ = ["ErrorCounts", "Recording", "count_errors", "recordings_by_kind"]

Samples = NDArray[np.float32]

_N_REPEATED, _REPEATED_MAX_S, _REPEATED_GAP_S = 25, 8.0, 0.4
_LONG_S, _LONG_PAUSES_S = 90.0, (1.5, 6.0)
_NOISE_DB, _QUIET_DBFS = 5.0, -60.0
_FAMILIAR_ACCENTS = ("US", "Canadian/US")


@dataclass(frozen=True)
class Recording:
    """Samples with their reference; an empty one if nobody speaks."""

    samples: Samples
    reference: str


def recordings_by_kind(data: Path) -> dict[str, list[Recording]]:
    """Return the recordings of each kind that the folder has or that can be made of it."""
    core = core_clips(data)
    rng = np.random.default_rng(0)
    accents = [c for c in core if c["accent"] and not c["accent"].startswith(_FAMILIAR_ACCENTS)]
    kinds = {
        "read": _read(data, core),
        "accents": _read(data, accents),
        **_from_file(data, "digits.jsonl", lambda clip: str(clip["note"])),
        "said three times": list(_repeated(data, core)),
        "long, with pauses": list(_joined(data, core, rng)),
        **_from_file(data, "conversations.jsonl", lambda clip: str(clip["kind"])),
        "telephone": [
            Recording(telephone(each.samples), each.reference) for each in _read(data, core[::3])
        ],
        "digits by telephone": _read(data, english_clips(data, "telephone")),
        f"pink noise, {_NOISE_DB:g} dB": [
            Recording(_noisy(each.samples, rng), each.reference) for each in _read(data, core[1::3])
        ],
        f"quiet, {_QUIET_DBFS:g} dBFS": [
            Recording(_quiet(each.samples), each.reference) for each in _read(data, core[2::3])
        ],
        "nobody speaks": [
            Recording(decode(data / clip["path"]), "") for clip in silent_clips(data)
        ],
    }
    return {kind: recordings for kind, recordings in kinds.items() if recordings}


def _read(data: Path, clips: Sequence[Clip]) -> list[Recording]:
    return [Recording(decode(data / clip["path"]), clip["reference"]) for clip in clips]


def _from_file(data: Path, name: str, kind_of: Callable[[Clip], str]) -> dict[str, list[Recording]]:
    """Return the clips that another manifest lists, by kind; nothing without such a file."""
    if not (data / name).exists():
        return {}
    lines = (data / name).read_text(encoding="utf-8").splitlines()
    clips = sorted(map(json.loads, lines), key=kind_of)
    return {kind: _read(data, list(some)) for kind, some in itertools.groupby(clips, kind_of)}


def _repeated(data: Path, clips: Sequence[Clip]) -> Iterator[Recording]:
    """Yield short clips, each said three times."""
    gap = np.zeros(int(_REPEATED_GAP_S * SAMPLE_RATE_HZ), np.float32)
    for clip in [c for c in clips if c["seconds"] <= _REPEATED_MAX_S][:_N_REPEATED]:
        once = decode(data / clip["path"])
        yield Recording(np.concatenate([once, gap] * 3), " ".join([clip["reference"]] * 3))


def _joined(data: Path, clips: Sequence[Clip], rng: np.random.Generator) -> Iterator[Recording]:
    """Yield recordings of several clips with pauses between them."""
    parts: list[Samples] = []
    references: list[str] = []
    for clip in clips:
        pause_s = rng.uniform(*_LONG_PAUSES_S)
        parts += [decode(data / clip["path"]), np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32)]
        references.append(clip["reference"])
        if sum(map(len, parts)) > _LONG_S * SAMPLE_RATE_HZ or clip is clips[-1]:
            yield Recording(np.concatenate(parts), " ".join(references))
            parts, references = [], []


def _noisy(samples: Samples, rng: np.random.Generator) -> Samples:
    return add_noise(samples, pink_noise(len(samples), rng), _NOISE_DB)


def _quiet(samples: Samples) -> Samples:
    level_dbfs = 10 * float(np.log10(np.mean(np.square(samples, dtype=np.float64))))
    return change_gain(samples, _QUIET_DBFS - level_dbfs)


@dataclass(frozen=True)
class ErrorCounts:
    """Words that transcripts got wrong.

    Attributes:
        n_words: of the references.
        wrong: all errors.
        left_out: words that were not written.
        added: words that nobody said.
        repeated: those of them that write what stands beside them again.
    """

    n_words: int
    wrong: int
    left_out: int
    added: int
    repeated: int

    def __str__(self) -> str:
        if not self.n_words:
            return f"{self.added} words"
        shares = [100 * n / self.n_words for n in (self.wrong, self.left_out, self.added)]
        return "{:.1f} ({:.1f}, {:.1f}".format(*shares) + f", {self.repeated})"


def count_errors(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorCounts:
    """Return the errors of hypotheses against their references, on normalised texts."""
    normalise = normaliser("en")
    n_words = wrong = left_out = added = repeated = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        said, written = normalise(reference).split(), normalise(hypothesis).split()
        n_words += len(said)
        if not said:
            added += len(written)
            wrong += len(written)
            continue
        output = jiwer.process_words(" ".join(said), " ".join(written))
        wrong += output.substitutions + output.deletions + output.insertions
        left_out, added = left_out + output.deletions, added + output.insertions
        for chunk in output.alignments[0]:
            if chunk.type == "insert":
                begin, end = chunk.hyp_start_idx, chunk.hyp_end_idx
                n = end - begin
                beside = (written[max(0, begin - n) : begin], written[end : end + n])
                repeated += n * (written[begin:end] in beside)
    return ErrorCounts(n_words, wrong, left_out, added, repeated)
