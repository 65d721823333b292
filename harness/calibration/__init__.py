"""Stored training runs of the references, with their provenance: every expected range is computed from them."""
