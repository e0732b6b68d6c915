"""Where each running sum lives in the kernel's state array: plain indices, as in C."""

from evitals.features.definitions import C_RATE_EDGES, TEMPERATURE_EDGES_DEGC

# A block of running statistics of one signal, at its base index.
T, X, FIRST, WEIGHT, SUM, SQUARES, LOW, HIGH, COUNT = range(9)
BLOCK = 9

SAMPLES, TIME_FIRST, TIME_LAST = range(3)
CURRENT = 3
VOLTAGE = CURRENT + BLOCK
TEMPERATURE = VOLTAGE + BLOCK
POWER = TEMPERATURE + BLOCK
SPEED = POWER + BLOCK
_NEXT = SPEED + BLOCK

(CHARGE_IN, CHARGE_OUT, ENERGY_IN, ENERGY_OUT, CHARGE_VARIANCE, GAP, METRES) = range(
    _NEXT, _NEXT + 7
)
_NEXT += 7

(
    SOC_COUNT, SOC_T0, SOC_T, SOC_FIRST, SOC_LAST, SOC_LOW, SOC_HIGH, SOC_Q0, SOC_Q,
    SOC_STEP, SOC_JUMP, SOC_WINDOW, WINDOW_T, WINDOW_SOC, WINDOW_Q,
    FIT_W, FIT_Q, FIT_S, FIT_QQ, FIT_QS, FIT_SS,
) = range(_NEXT, _NEXT + 21)  # fmt: skip
_NEXT += 21

(
    START_ENDED, START_S, START_V, START_T, REST_SINCE, REST_ON, REST_FAST, REST_SLOW, REST_T,
) = range(_NEXT, _NEXT + 9)  # fmt: skip
_NEXT += 9

(
    STEP_T, STEP_I, STEP_V, STEP_N, STEP_II, STEP_VI, STEP_VV, STEP_SOC, STEP_SOC_W,
    STEP_TEMP, STEP_TEMP_W,
) = range(_NEXT, _NEXT + 11)  # fmt: skip
_NEXT += 11

OUT_V, OUT_I, OUT_T = range(_NEXT, _NEXT + 3)
_NEXT += 3
C_RATE = _NEXT
TEMPERATURE_BINS = C_RATE + len(C_RATE_EDGES) + 1
SIZE = TEMPERATURE_BINS + len(TEMPERATURE_EDGES_DEGC) + 1

# Parameters of a battery, in the kernel's parameter array.
(
    P_CAPACITY, P_REST_A, P_V_LOW, P_V_HIGH, P_I_LOW, P_I_HIGH, P_T_LOW, P_T_HIGH, P_STEP_A,
) = range(9)  # fmt: skip
PARAMETERS = 9
