"""What tools/benchmark.py measures: each a module with a TITLE and run(options) -> Result."""

BENCHMARKS = ("step", "memory", "pool", "sampler", "evaluate", "loader", "domains", "ddp")
ON_GPU = ("step", "memory", "pool", "evaluate", "ddp")  # the others have nothing to do with one
