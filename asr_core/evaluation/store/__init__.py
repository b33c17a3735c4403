"""Persistent store of the test bench: cases, noises, runs with their trials, and flags."""

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
