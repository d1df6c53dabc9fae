"""Every figure in the README, each by one command: `python -m bench.NAME`.

Each prints what it asks, the machine, the sample count and a table, and ends with one JSON line.
"""
