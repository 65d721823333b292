"""Grading: from a plan of checks and experiments, through worker processes, to a record."""
