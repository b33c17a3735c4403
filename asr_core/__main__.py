"""``python -m asr_core``."""

import sys

from asr_core.memory import share_arenas

share_arenas()  # before anything begins a thread

from asr_core.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
