"""Output of the command line: messages, progress and results."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from asr_core.errors import AsrError
from asr_core.text.plain_text import sanitise, shorten

__all__ = [
    "discard_output",
    "display_path",
    "print_bytes",
    "print_line",
    "progress_line",
    "say",
    "use_utf8",
]

_LOG_INTERVAL_S = 10.0


def use_utf8() -> None:
    """Switch standard output and standard error to UTF-8, whatever the locale is.

    If standard error is closed, messages are discarded: print() would send them to standard output.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(text: str) -> None:
    """Print a message to standard error."""
    print(sanitise(text), file=sys.stderr, flush=True)


def display_path(path: Path) -> str:
    """Return ``path`` for a message, shortened if it is very long."""
    return shorten(str(path), 300)


def print_bytes(content: bytes) -> None:
    """Write to standard output.

    Raises:
        BrokenPipeError: its reader has gone.
        AsrError: it is closed, or cannot be written for another reason.
    """
    if sys.stdout is None:
        raise AsrError("Standard output is closed.")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise AsrError(f"Standard output cannot be written ({error.strerror}).") from None


def print_line(line: str) -> None:
    """Write a line to standard output in UTF-8; raise as ``print_bytes`` does."""
    print_bytes(f"{line}\n".encode(errors="replace"))


def discard_output() -> None:
    """Redirect standard output to nowhere, so that flushing it at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows progress: in place on a terminal, now and then in a log."""
    on_terminal = sys.stderr.isatty()
    logged_at = time.monotonic()

    def show(text: str) -> None:
        nonlocal logged_at
        if on_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - logged_at > _LOG_INTERVAL_S:
            logged_at = time.monotonic()
            say(text)

    try:
        yield show
    finally:
        if on_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
