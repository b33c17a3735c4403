"""Lag of honest speakers while a stranger tries everything.

``python -m benchmarks.siege --seconds 300 --seed 1`` serves the app with tiny.en and lets two speakers
talk over WebRTC, first alone and then while every case of :mod:`tests.raw.fuzz` is tried from outside.
Twice a second it reads how late their words are: by the server's figure
(``asr_live_lag_seconds``), by what the page says (it does from two seconds on), and by how far the
recording's clock on the page is behind the audio sent. The exit status is 1 if 95 % of any are not
within two seconds, a speaker was cut off, or the fuzzer found something.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.clips import print_table
from tests.fetch import fetch_speech, speech_dir
from tests.raw.client import NoPage
from tests.raw.cuts import Where
from tests.raw.serving import Server, serving
from tests.raw.speaker import Speaker

LATE_S = 2.0
_EVERY_S = 0.5
_LAG = 'asr_live_lag_seconds{quantile="0.95"}'


@dataclass
class Lags:
    """Readings of one phase, seconds."""

    server_s: list[float] = field(default_factory=list)
    page_s: list[float] = field(default_factory=list)
    clock_s: list[float] = field(default_factory=list)

    def row(self, when: str) -> dict[str, object]:
        def quantiles(values: Sequence[float]) -> str:
            found = np.nanquantile(values or [np.nan], (0.5, 0.95, 1.0))
            return " / ".join(f"{q:.2f}" for q in found)

        return {
            "when": when, "readings": len(self.server_s),
            "lag_p50_p95_most_s": quantiles(self.server_s),
            "page_says_p50_p95_most_s": quantiles(self.page_s),
            "page_behind_p50_p95_most_s": quantiles(self.clock_s),
        }  # fmt: skip

    def late(self) -> bool:
        """Return whether the 95th percentile of any of the three is too late."""
        series = (self.server_s, self.page_s, self.clock_s)
        return any(np.nanquantile(values or [np.inf], 0.95) > LATE_S for values in series)


class Listener:
    """Honest speaker, with the offset of the page's clock."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker, self._ahead_s = speaker, float("inf")

    def clock_behind_s(self) -> float:
        """Return how far the page's clock is behind the audio sent, beyond its best value.

        NaN before there is a clock.
        """
        clocks = [
            view["head"]["clock"]
            for view in self.speaker.client.page.component("transcript_view")
            if (view.get("head") or {}).get("clock")
        ]
        if not clocks:
            return float("nan")
        shown_s = sum(60**n * int(part) for n, part in enumerate(reversed(clocks[-1].split(":"))))
        ahead_s = time.monotonic() - shown_s
        self._ahead_s = min(ahead_s, self._ahead_s)
        return ahead_s - self._ahead_s


async def read(server: Server, listeners: Sequence[Listener], lags: Lags, seconds: float) -> None:
    """Take readings twice a second for ``seconds``.

    Raises:
        NoPage: a speaker was cut off.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        began = time.monotonic()
        try:
            lags.server_s.append(await asyncio.to_thread(server.figure, _LAG))
        except OSError:
            lags.server_s.append(time.monotonic() - began)  # no answer for so long
        for listener in listeners:
            if not listener.speaker.is_recording:
                raise NoPage(f"cut off: {listener.speaker.client.page.texts('alert')}")
            lags.page_s.append(listener.speaker.lag_s())
            lags.clock_s.append(listener.clock_behind_s())
        await asyncio.sleep(max(0.0, _EVERY_S - (time.monotonic() - began)))


async def siege(server: Server, where: Where, seed: int, seconds: float, quiet_s: float) -> int:
    """Measure in quiet, then under siege; print the table and return the exit status."""
    quiet, besieged, faults = Lags(), Lags(), []
    # In a process of its own, so that its load does not delay the speakers.
    command = [
        "-m", "tests.raw.fuzz", f"--url={server.address}", f"--pid={server.process.pid}",
        f"--seconds={seconds}", f"--seed={seed}", f"--query={where.query}",
    ]  # fmt: skip
    async with AsyncExitStack() as stack:
        listeners = []
        for _ in range(2):
            speaker = await stack.enter_async_context(where.speaker())
            await speaker.listening()
            listeners.append(Listener(speaker))
        await asyncio.sleep(5)
        await read(server, listeners, quiet, quiet_s)
        stranger = await asyncio.create_subprocess_exec(sys.executable, *command)
        try:
            await read(server, listeners, besieged, seconds)
        except NoPage as error:
            faults.append(f"a speaker was {error}")
        if await stranger.wait():
            faults.append("the stranger found what is told above")
    print_table([quiet.row("quiet"), besieged.row("under siege")])
    if besieged.late():
        faults.append(f"words were more than {LATE_S:g} s behind in one of twenty moments")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="under siege")
    parser.add_argument("--quiet", type=float, default=30.0, help="seconds before")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--query", default="", help="of the first address, such as invite=…")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="environment of the app; may be given several times")  # fmt: skip
    options = parser.parse_args()
    fetch_speech()
    environment = dict(pair.split("=", 1) for pair in options.set)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), environment) as server:
        where = Where(server.address, options.query, speech_dir() / "two_cities.wav")
        return asyncio.run(siege(server, where, options.seed, options.seconds, options.quiet))


if __name__ == "__main__":
    sys.exit(main())
