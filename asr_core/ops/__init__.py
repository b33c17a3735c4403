"""Operation of the process: limits, metrics, logs, memory."""
