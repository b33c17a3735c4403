"""``python -m asr_core``."""

import sys

from asr_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
