"""Command group, and the entry function of the command line.

Results go to standard output, progress and messages to standard error, both in UTF-8.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from asr_core.cli.console import discard_output, say, use_utf8
from asr_core.cli.evaluate import evaluate
from asr_core.cli.models import models
from asr_core.cli.options import EXIT_CODES
from asr_core.cli.stream import stream
from asr_core.cli.transcribe import transcribe
from asr_core.errors import AsrError

__all__ = ["cli", "main"]

_SCRIPT = "speak-and-read"


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples: 'transcribe talk.mp3 --format srt' writes subtitles; 'stream talk.mp3' "
    f"shows the words as a live session finds them. {EXIT_CODES}",
)
def cli() -> None:
    """Speech recognition with Whisper, on this machine."""


for _command in (transcribe, stream, evaluate, models):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        arguments: the command line without the program's name; by default the process's own.

    Raises:
        SystemExit: help was printed (0), or the usage is wrong (2).
    """
    use_utf8()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with cli.make_context(_program_name(), given) as context:
            return int(cli.invoke(context))
    except click.exceptions.Exit as finished:
        sys.exit(finished.exit_code)
    except click.UsageError as error:
        _reject(error)
    except AsrError as error:
        say(str(error))
        return 1
    except ModuleNotFoundError as error:
        say(f"{error.name} is not installed; run pip install 'speak-and-read[testbench]'.")
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        discard_output()
        return 0


def _program_name() -> str:
    return _SCRIPT if Path(sys.argv[0]).stem == _SCRIPT else "python -m asr_core"


def _reject(error: click.UsageError) -> NoReturn:
    error.show()
    sys.exit(error.exit_code)
