"""Speed, measured beside what people would use instead: ``python -m benchmarks`` (or ``make bench``).

Each module measures one thing and lists its contenders; ``runner`` times them in turn, round by round, in one
process; ``report`` writes what was found as Markdown and JSON. Nothing here is a test, and no test is timed.
"""
