"""Stored training runs of the references, with their provenance: expected ranges are computed from them."""
