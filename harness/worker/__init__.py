"""The untrusted side: a function server that runs one submission inside the sandbox.

It imports the standard library, NumPy, ``harness.wire`` and ``harness.sandbox``, nothing else of the harness.
"""
