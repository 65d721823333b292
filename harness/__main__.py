"""``python -m harness`` is the same as ``backcheck``."""

import sys

from harness.cli import main

if __name__ == "__main__":
    sys.exit(main())
