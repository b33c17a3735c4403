"""Leaks: thousands of visits, cut connections and recordings, with resources before and after.

``python -m benchmarks.visits --visits 2000 --cuts 500 --recordings 100 --browser-visits 200``
serves the app with one place to speak, visits every page with a raw client and with Chromium, cuts
connections in every state (:mod:`tests.raw.cuts`) and makes recordings. After each kind it waits until
the app has dropped its sessions, and prints descriptors, threads and memory. The exit status is 1 if descriptors
or threads grew by more than the app's own pools do, memory by more than ``--memory-mb``, or visits
failed. What users made is kept for a while by design: ``--set ASR_KEEP_MINUTES=0.2`` shortens that.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from benchmarks.clips import print_table
from tests.fetch import fetch_speech
from tests.raw.client import NoPage
from tests.raw.cuts import CUTS, PATHS, Where, record, transcribed, visit
from tests.raw.serving import Held, Server, serving

SLACK = 8  # descriptors, threads: persistent pools of Streamlit and asyncio
GIVEN_UP_S = 75.0  # a session without content is dropped within a minute
_BOUND_S = 120.0  # for one visit, cut or recording

Step = Callable[[int], Awaitable[object]]


@dataclass
class Report:
    """Resources held after each kind of visit, and failures."""

    rows: list[dict[str, object]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    first: Held | None = None
    last: Held | None = None

    def note(self, what: str, times: int, seconds: float, held: Held) -> None:
        """Add a row for ``what``."""
        self.first, self.last = self.first or held, held
        self.rows.append({
            "after": what, "times": times, "s": round(seconds), "descriptors": held.descriptors,
            "threads": held.threads, "memory_mb": round(held.memory_mb),
            "failed": sum(n for name, n in self.failures.items() if name.startswith(what)),
        })  # fmt: skip

    def faults(self, memory_mb: float) -> list[str]:
        """Return excessive growth and failures as sentences."""
        assert self.first is not None and self.last is not None
        first, last = self.first, self.last
        grew = [
            f"{name} grew from {before} to {after}"
            for name, before, after, most in (
                ("descriptors", first.descriptors, last.descriptors, SLACK),
                ("threads", first.threads, last.threads, SLACK),
                ("memory (MB)", first.memory_mb, last.memory_mb, memory_mb),
            )
            if after > before + most
        ]
        return grew + [f"{n} × {what}" for what, n in self.failures.most_common()]


async def repeat(
    report: Report, what: str, times: int, step: Step, at_once: int, seconds: float
) -> None:
    """Run a step ``times``, ``at_once`` in parallel, for at most ``seconds``; count failures."""
    numbers, deadline = iter(range(times)), time.monotonic() + seconds

    async def work() -> None:
        for number in numbers:
            if time.monotonic() > deadline:
                report.failures[f"{what}: no time left for the rest"] += 1
                return
            try:
                await asyncio.wait_for(step(number), _BOUND_S)
            except (NoPage, LookupError, AssertionError, OSError, TimeoutError) as error:
                report.failures[f"{what}: {type(error).__name__} {error}"[:160]] += 1

    await asyncio.gather(*(work() for _ in range(at_once)))


async def browser_visit(browser: Browser, where: Where, number: int) -> None:
    """Open a page in a real browser until it is drawn, and close the tab."""
    path = PATHS[number % len(PATHS)]
    headings = {"/": "Speak and read", "/upload": "Upload and read", "/testbench": "Test bench"}
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(where.address + path + (f"?{where.query}" if where.query else ""))
        await page.get_by_role("heading", name=headings[path]).wait_for(timeout=60_000)
        if path == "/":
            await page.locator('iframe[title*="webrtc"]').wait_for(timeout=60_000)
    finally:
        await context.close()


async def with_browser(executable: str, work: Callable[[Browser], Awaitable[None]]) -> None:
    """Run ``work`` with Chromium."""
    switches = ["--no-sandbox", "--use-fake-device-for-media-stream", "--disable-sync",
                "--use-fake-ui-for-media-stream", "--disable-background-networking"]  # fmt: skip
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=switches)
        try:
            await work(browser)
        finally:
            await browser.close()


async def warm_up(where: Where) -> None:
    """Let the app load what it keeps for good: models, pools, the store."""
    for number in range(2 * len(PATHS)):
        await visit(where, number)
    await record(where)
    async with where.visitor("/upload") as client:
        await transcribed(client, where.recording)


async def measure(
    server: Server, where: Where, counts: Mapping[str, int], *, seed: int = 1,
    settle_s: float = GIVEN_UP_S, kept_s: float = 0.0, executable: str = "",
    seconds: float = 3600.0, settle_between: bool = True,
) -> Report:  # fmt: skip
    """Run visits, browser visits, cuts and recordings.

    Args:
        server: under test.
        where: its address and the recording to use.
        counts: how many of each kind.
        seed: of the random cuts.
        settle_s: longest wait for sessions without content to be dropped, seconds.
        kept_s: how long the app keeps what users made, seconds.
        executable: of Chromium.
        seconds: longest time for each kind.
        settle_between: wait after each kind, not only after the last.
    """
    report, rng, states = Report(), random.Random(seed), list(CUTS.items())

    async def browsing(browser: Browser) -> None:
        count = counts["browser visits"]
        await repeat(report, "browser visits", count, lambda n: browser_visit(browser, where, n),
                     1, seconds)  # fmt: skip

    async def done(what: str, work: Callable[[], Awaitable[None]], wait_s: float) -> None:
        if what == "warm-up" or counts.get(what):
            began = time.monotonic()
            await work()
            before = report.first or Held(0, 0, 0.0)
            is_to_settle = settle_between or what in ("warm-up", "recordings")
            held = await asyncio.to_thread(server.settled, before, wait_s if is_to_settle else 0.0)
            report.note(what, counts.get(what, 1), time.monotonic() - began, held)

    def cut(number: int) -> Awaitable[None]:
        return states[number % len(states)][1](where, rng)

    def many(what: str, step: Step, at_once: int = 1) -> Callable[[], Awaitable[None]]:
        return lambda: repeat(report, what, counts[what], step, at_once, seconds)

    await done("warm-up", lambda: warm_up(where), min(settle_s + kept_s, 200))
    await done("visits", many("visits", lambda n: visit(where, n), 2), settle_s)
    await done("browser visits", lambda: with_browser(executable, browsing), settle_s)
    await done("cuts", many("cuts", cut), settle_s + kept_s)
    await done("recordings", many("recordings", lambda _: record(where)), settle_s + kept_s)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (
        ("visits", 2000),
        ("cuts", 500),
        ("recordings", 100),
        ("browser-visits", 200),
    ):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="at most, for each kind")
    parser.add_argument("--descriptors", type=int, help="ulimit -n of the app")
    parser.add_argument("--memory-mb", type=float, default=100.0, help="by which it may grow")
    parser.add_argument("--settle", type=float, default=GIVEN_UP_S, help="seconds")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="environment of the app; may be given several times")  # fmt: skip
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    fetch_speech()
    environment = {"ASR_MAX_SPEAKERS": "1", **dict(pair.split("=", 1) for pair in options.set)}
    invite = environment.get("ASR_INVITE") or os.environ.get("ASR_INVITE")
    counts = {"visits": options.visits, "cuts": options.cuts, "recordings": options.recordings,
              "browser visits": options.browser_visits}  # fmt: skip
    kept_s = 60 * float(environment.get("ASR_KEEP_MINUTES", 20))
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), environment, options.descriptors) as server,
    ):
        where = Where(server.address, f"invite={invite}" if invite else "")
        report = asyncio.run(measure(
            server, where, counts, seed=options.seed, settle_s=options.settle, kept_s=kept_s,
            executable=options.chromium, seconds=options.seconds,
        ))  # fmt: skip
    print(f"seed {options.seed}")
    print_table(report.rows)
    faults = report.faults(options.memory_mb)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
