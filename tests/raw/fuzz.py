"""Hostile input from a seed, beside an honest visitor.

``python -m tests.raw.fuzz --seconds 3600 --seed 1`` serves the app itself, or attacks a
running one with ``--url`` (and observes its memory with ``--pid``). The exit status is 1 if
a traceback or a path of the server reached the visitor, or if the server died, answered the
honest visitor too late, or took too much memory. Each case draws from the seed and its
number: ``--only 17`` repeats it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from websockets.exceptions import WebSocketException

from tests.browser.conftest import ROOT
from tests.raw import hostile_http, hostile_imports, hostile_messages, hostile_sound
from tests.raw.client import Client, NoPage
from tests.raw.cuts import Where
from tests.raw.hostile import Attack
from tests.raw.serving import serving

CASES = {
    **hostile_messages.CASES, **hostile_http.CASES, **hostile_sound.CASES, **hostile_imports.CASES
}  # fmt: skip
MEMORY_MB = 700.0  # more than at first: two jobs, two recordings and the largest upload at once
LATE_S = 2.0  # 95 % of the honest visitor's answers come sooner
STANDS_STILL_S = 10.0  # and all within this
_CASE_S = 45.0

# Content that only somebody with access to the server may read.
LEAKS = tuple(
    text.encode()
    for text in (
        "Traceback (most recent",
        "/site-packages/",
        'File "/',
        f"{ROOT}/",
        str(Path.home()) + "/.",
    )
)


@dataclass
class Findings:
    """What went wrong, and the honest visitor's waiting times.

    Attributes:
        case: the current case, to which findings are attributed.
    """

    seed: int
    wrong: Counter[str] = field(default_factory=Counter)
    waits_s: dict[str, list[float]] = field(default_factory=dict)
    n_cases: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    most_mb: float = 0.0

    def search(self, case: str, data: bytes) -> None:
        """Search an answer for content that must not leak."""
        for leak in LEAKS:
            at = data.find(leak)
            if at >= 0:
                shown = data[max(0, at - 60) : at + 100].decode("utf-8", "replace")
                kind = case.partition(", ")[2]
                found = f"{leak.decode()!r} reached the visitor ({kind})"
                if not self.wrong[found]:
                    print(f"{case}: {shown!r}", file=sys.stderr)
                self.wrong[found] += 1

    def verdict(self) -> list[str]:
        """Return what is wrong, in sentences."""
        sentences = [f"{n} × {what}" for what, n in self.wrong.most_common()]
        for what, waits in self.waits_s.items():
            late, longest = float(np.quantile(waits, 0.95)), max(waits)
            if late > LATE_S or longest > STANDS_STILL_S:
                sentences.append(f"{what}: 95 % within {late:.1f} s, at most {longest:.1f} s")
        return sentences

    def table(self) -> list[dict[str, object]]:
        """Return the honest visitor's waiting times as a table."""
        return [
            {"honest": what, "times": len(waits)}
            | {f"{name}_s": f"{np.quantile(waits, share):.2f}"
               for name, share in (("p50", 0.5), ("p95", 0.95), ("most", 1.0))}
            for what, waits in self.waits_s.items()
        ]  # fmt: skip


async def honest(where: Where, findings: Findings, stop: threading.Event) -> None:
    """Request health and click on a page once a second until ``stop``.

    It runs in a thread and loop of its own, so that only the server can delay it.
    """
    client: Client | None = None
    while not stop.is_set():
        try:
            began = time.monotonic()
            client = client or await where.opened("/upload", model="")
            await client.fetch("/_stcore/health", timeout_s=30)
            findings.waits_s.setdefault("health", []).append(time.monotonic() - began)
            began = time.monotonic()
            await client.run(timeout_s=30)
            findings.waits_s.setdefault("a click", []).append(time.monotonic() - began)
        except (NoPage, OSError, TimeoutError, LookupError) as error:
            findings.wrong[f"the honest visitor: {type(error).__name__} {error}"[:120]] += 1
            if client is not None:
                await client.close()
            client = None
        await asyncio.sleep(1)
    if client is not None:
        await client.close()


async def watch(process: psutil.Process, findings: Findings, most_mb: float) -> None:
    """Note if the server dies or takes more than ``most_mb`` beyond its memory with a page open."""
    while "a click" not in findings.waits_s:
        await asyncio.sleep(0.1)
    before_mb = process.memory_info().rss / 1e6
    while True:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            findings.wrong["the server died"] += 1
            return
        grew_mb = process.memory_info().rss / 1e6 - before_mb
        findings.most_mb = max(findings.most_mb, grew_mb)
        if grew_mb > most_mb:
            findings.wrong[f"the server took {most_mb:.0f} MB more than before"] += 1
        await asyncio.sleep(1)


async def attempt(where: Where, findings: Findings, number: int, names: Sequence[str]) -> None:
    """Run the case of this number; the server may refuse it."""
    name = names[number % len(names)]
    label = f"case {number}, {name}"
    attack = Attack(where, None, lambda data: findings.search(label, data))  # type: ignore[arg-type]
    findings.n_cases[name] += 1
    try:
        async with asyncio.timeout(_CASE_S):
            await CASES[name](attack.with_seed(f"{findings.seed}-{number}"))
    except TimeoutError:
        findings.refused[f"{name}: more than {_CASE_S:.0f} s"] += 1
    except (NoPage, LookupError, OSError, WebSocketException, EOFError, ValueError) as error:
        findings.refused[f"{name}: {type(error).__name__}"] += 1


async def fuzz(
    where: Where, process: psutil.Process | None, seed: int, seconds: float, *,
    names: Sequence[str] = tuple(CASES), only: int | None = None, memory_mb: float = MEMORY_MB,
    at_once: int = 1, most: int = 1 << 31,
) -> Findings:  # fmt: skip
    """Run cases for some seconds; return the findings.

    Args:
        only: number of the single case to run.
        at_once: cases in parallel.
        most: largest number of cases.
    """
    findings, stop = Findings(seed), threading.Event()
    beside = threading.Thread(target=lambda: asyncio.run(honest(where, findings, stop)))
    beside.start()
    watching = asyncio.create_task(watch(process, findings, memory_mb)) if process else None
    deadline, numbers = time.monotonic() + seconds, iter(range(most))

    async def work() -> None:
        for number in numbers:
            if time.monotonic() > deadline:
                return
            await attempt(where, findings, number, names)

    try:
        if only is not None:
            await attempt(where, findings, only, names)
        else:
            await asyncio.gather(*(work() for _ in range(at_once)))
    finally:
        stop.set()
        await asyncio.to_thread(beside.join)
        if watching:
            watching.cancel()
    return findings


def report(findings: Findings) -> int:
    """Print the findings; return the exit status."""
    print(f"seed {findings.seed}, {findings.n_cases.total()} cases: {dict(findings.n_cases)}")
    print(f"refused: {dict(findings.refused.most_common(40))}")
    for row in findings.table():
        print(row)
    print(f"memory grew by {findings.most_mb:.0f} MB at most")
    for sentence in (verdict := findings.verdict()):
        print(f"WRONG: {sentence}")
    return 1 if verdict else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", help="of an app that runs; one is served without it")
    parser.add_argument("--query", default="", help="of the first address, such as invite=…")
    parser.add_argument("--pid", type=int, help="of that app, to watch its memory")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--only", type=int, metavar="N", help="this case alone")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--memory-mb", type=float, default=MEMORY_MB)
    options = parser.parse_args()
    how = {"names": options.cases, "only": options.only, "memory_mb": options.memory_mb,
           "at_once": options.at_once}  # fmt: skip
    if options.url:
        process = psutil.Process(options.pid) if options.pid else None
        where = Where(options.url.rstrip("/"), options.query)
        return report(asyncio.run(fuzz(where, process, options.seed, options.seconds, **how)))
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        where = Where(server.address, options.query)
        return report(
            asyncio.run(fuzz(where, server.process, options.seed, options.seconds, **how))
        )


if __name__ == "__main__":
    sys.exit(main())
