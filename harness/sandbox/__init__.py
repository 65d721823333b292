"""The walls around a submission: what it can read, write, reach, use and leave behind.

``policy`` says what a submission may do, ``backend`` chooses how the machine enforces it, ``confine``
raises the walls in the worker before the submission is imported, ``doctor`` proves each wall by trying to
walk through it.
Nothing here imports more than the standard library at start-up: the worker pays for every import.
"""
