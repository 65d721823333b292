"""What was finished is kept: the results store, and who is at work on what."""

from harness.store.database import Lease, Store

__all__ = ["Lease", "Store"]
