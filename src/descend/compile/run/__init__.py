"""Running what was compiled: memory, threads, calls of Python between."""
