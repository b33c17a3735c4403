"""Ask the app whether it is well, as it is asked from outside; exit with 1 if it is not."""

import os
import sys
import urllib.error
import urllib.request

host = os.environ.get("ASR_ALLOWED_HOSTS", "").split(",")[0].strip() or "localhost"
address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8501"
question = urllib.request.Request(f"{address}/_stcore/health", headers={"Host": host})
try:
    with urllib.request.urlopen(question, timeout=8) as answer:
        answer.read()
except urllib.error.HTTPError as refusal:
    sys.exit(refusal.read(500).decode(errors="replace").strip() or str(refusal))
except OSError as error:
    sys.exit(f"The app does not answer ({error}).")
