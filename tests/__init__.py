"""Tests. Several processes share the cores, so torch computes with one thread in each."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1))  # numpy's stay as they are
os.environ.setdefault("OMP_NUM_THREADS", "1")  # more would spin where another process computes
