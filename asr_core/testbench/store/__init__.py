"""Where the test bench keeps what its users ask it to keep."""

from asr_core.testbench.store.store import (
    REASONS,
    Case,
    Flag,
    NewCase,
    Noise,
    Run,
    Store,
    open_store,
)

__all__ = ["REASONS", "Case", "Flag", "NewCase", "Noise", "Run", "Store", "open_store"]
