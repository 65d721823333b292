"""Submissions whose verdict is known: right ones that differ as real ones do, wrong ones with one defect."""
