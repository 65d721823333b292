"""A report, answered for from stored runs: accuracies, claims, quirks and figure panels, each with its
evidence.

``analysis`` computes a ``Reproduction`` from a specification and runs; ``page``, ``markdown`` and
``as_json`` are views of it; ``command`` is ``backcheck reproduce``.
"""

from __future__ import annotations
