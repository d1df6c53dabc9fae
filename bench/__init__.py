"""Latency, speed and quality, each figure with its interval and its machine: `ayatsuri bench`.

The method is in docs/bench.md. `bench.commands` lists the benchmarks; `bench.report` says what a
result is.
"""
