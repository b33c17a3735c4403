"""Entry point of ``python -m asr_core`` and ``speak-and-read``."""

import sys

from asr_core.ops.malloc import limit_arenas

limit_arenas()  # before any thread starts

from asr_core.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
