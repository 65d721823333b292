"""A report, answered for from stored runs: accuracies and claims with verdicts, quirks with evidence, and
figure panels redrawn.

``analysis`` computes a ``Reproduction`` from a specification and runs; ``page``, ``markdown`` and
``as_json`` are views of it; ``command`` is ``backcheck reproduce``.
"""

from __future__ import annotations
