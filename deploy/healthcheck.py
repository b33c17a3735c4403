"""Ask the app whether it is well; exit with 1 and say why if it is not."""

import sys
import urllib.error
import urllib.request

address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8501"
try:
    with urllib.request.urlopen(f"{address}/health", timeout=8) as answer:
        answer.read()
except urllib.error.HTTPError as refusal:
    sys.exit(refusal.read(500).decode(errors="replace").strip() or str(refusal))
except OSError as error:
    sys.exit(f"The app does not answer ({error}).")
