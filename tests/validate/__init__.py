"""The error rates of the harness, measured on submissions whose verdict is known: ``make validate``."""
