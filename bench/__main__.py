"""`python -m bench`, which is `ayatsuri bench`."""

from bench.commands import app

app()
