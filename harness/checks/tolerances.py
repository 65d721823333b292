"""Every tolerance of the checks, with the arithmetic it is for and the reason for its size.

Relative errors are Frobenius norms: ``||found - expected|| / ||expected||``.
"""

from __future__ import annotations

# float64 code agrees with the oracle to about 1e-13; 1e-6 leaves room for other orders of summation and
# formulas, and is a thousand times under the smallest effect of a single wrong entry (1.6e-3 for one of
# W1's 392,000).
FLOAT64 = 1e-6
# Right float32 code was measured under 7e-7 on the report's network; its sums lose a little more on long
# batches.
FLOAT32 = 1e-5
# Code this close to the oracle computes in float64 throughout, and may be differenced.
PRECISE = 1e-10
# Central differences with h = 1e-5 in float64: right code gives at most 2e-7 (sigmoid), 7e-9 (tanh, ReLU).
DIFFERENCES = 1e-5
STEP = 1e-5
# An update in float32 is a difference of nearly equal numbers: eps / learning rate / |g| relative to the
# weights.
UPDATE_FLOAT64 = 1e-6
UPDATE_FLOAT32 = 2e-3
# A step of rate 1 from float32 weights, besides their rounding: right float32 code was measured under 5e-7,
# float16 over 3e-4.
STEP_FLOAT32 = 5e-5
# Adam divides by the root of a squared gradient: entries near epsilon = 1e-8 amplify the last digits.
ADAM = 1e-4
# The same computation asked for again: sums may round differently where arrays lie elsewhere in memory.
REPEATED = 1e-6
# float32 pre-activations are off by up to 1e-6 of their layer's largest: twenty times that is clear of 0.
KINK = 2e-5
