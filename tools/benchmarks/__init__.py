"""The measurements behind ``tools/benchmark.py``, one module each."""
