"""backcheck: checks back-propagation written from scratch, and goes back to check the report.

Importing this package loads neither torch nor matplotlib, so that ``backcheck --help`` is immediate.
"""

__version__ = "0.1.0"
