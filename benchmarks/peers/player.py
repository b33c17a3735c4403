"""What every peer's script shares: clips are spoken in real time, what is shown is noted.

Runs in each peer's own environment, so it needs nothing but numpy.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE_HZ = 16_000
CHUNK_S = 0.1
QUIET_S = 6.0


class Page:
    """What a reader would see, with the seconds since the first sample was spoken."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.updates: list[tuple[float, str, str]] = []

    def show(self, final: str, tentative: str) -> None:
        """Any thread may call; what has not changed is not noted."""
        if not self.updates or self.updates[-1][1:] != (final, tentative):
            self.updates.append((time.monotonic() - self._started, final, tentative))

    def speak(self, samples: Samples, hear: Callable[[Samples], None]) -> None:
        """Hand ``samples`` over as a microphone would; the clock starts here."""
        self._started = time.monotonic()
        size = int(CHUNK_S * RATE_HZ)
        for at in range(0, len(samples), size):
            spoken_s = min(at + size, len(samples)) / RATE_HZ
            time.sleep(max(0.0, spoken_s - (time.monotonic() - self._started)))
            hear(samples[at : at + size])

    def wait_until_quiet(self) -> None:
        """Until so long after the last change that nothing more is expected."""
        changed_at, n_updates = time.monotonic(), len(self.updates)
        while time.monotonic() - changed_at < QUIET_S:
            if len(self.updates) != n_updates:
                changed_at, n_updates = time.monotonic(), len(self.updates)
            time.sleep(0.1)


def as_int16(samples: Samples) -> bytes:
    """Samples as the 16-bit PCM that most servers take."""
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()


def play(listen: Callable[[Samples, Page], None]) -> None:
    """Give each clip of the folder in ``sys.argv`` to ``listen``; write what was shown."""
    folder = Path(sys.argv[1])
    names = json.loads((folder / "clips.json").read_text())
    print("ready", flush=True)
    sys.stdin.readline()
    shown = {}
    for name in names:
        page = Page()
        listen(np.load(folder / f"{name}.npy"), page)
        shown[name] = page.updates
    Path(sys.argv[3]).write_text(json.dumps(shown))
    print("done", flush=True)
    sys.stdin.readline()


def model_directory() -> str:
    """Of the weights that all peers share, in CTranslate2's format."""
    return sys.argv[2]
