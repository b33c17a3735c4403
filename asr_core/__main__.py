"""``python -m asr_core``."""

import sys

from asr_core.ops.malloc import limit_arenas

limit_arenas()  # before anything begins a thread

from asr_core.cli.commands import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
