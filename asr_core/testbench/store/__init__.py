"""Where the test bench keeps what its users ask it to keep."""

from asr_core.testbench.cases import Case, NewCase
from asr_core.testbench.store.records import REASONS, Flag, Noise, Run
from asr_core.testbench.store.store import Store, open_store

__all__ = ["REASONS", "Case", "Flag", "NewCase", "Noise", "Run", "Store", "open_store"]
