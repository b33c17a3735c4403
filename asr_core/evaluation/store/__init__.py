"""Where the test bench keeps what its users ask it to keep."""

from asr_core.evaluation.cases import Case, NewCase
from asr_core.evaluation.store.default_store import open_store
from asr_core.evaluation.store.records import REASONS, Audit, Flag, Noise, Run
from asr_core.evaluation.store.store import MAX_NOISE_S, Store

__all__ = [
    "MAX_NOISE_S",
    "REASONS",
    "Audit",
    "Case",
    "Flag",
    "NewCase",
    "Noise",
    "Run",
    "Store",
    "open_store",
]
