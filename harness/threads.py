"""The variables from which BLAS and OpenMP libraries take their number of threads, once, when they load.

Imports nothing: whoever sets them must do so before NumPy is imported.
"""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
