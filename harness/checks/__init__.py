"""The checks: one file for each chapter, one small function for each check, one ordered list in
``registry``.
"""
