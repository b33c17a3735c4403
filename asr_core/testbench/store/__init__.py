"""Where the test bench keeps what its users ask it to keep."""

from asr_core.testbench.cases import Case, NewCase
from asr_core.testbench.store.opening import open_store
from asr_core.testbench.store.records import REASONS, Audit, Flag, Noise, Run
from asr_core.testbench.store.store import MAX_NOISE_S, Store

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
