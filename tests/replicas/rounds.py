"""How much of the fault suite a run takes, from the environment.

`FAULT_ROUNDS` says how often each fault comes: `.ci/run` takes 2, `make faults` 30; without it what takes long is left
out. From 10 on the long form of everything runs. `FAULT_SEED` repeats the choices of a run, though not its timing.
"""

import os
import random

import pytest

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
FEWER_ROUNDS = -(-ROUNDS // 3)  # of what takes long by itself
LONG = ROUNDS >= 10
SEED = os.environ.get("FAULT_SEED") or str(random.SystemRandom().randrange(10**6))

takes_long = pytest.mark.skipif(ROUNDS == 0, reason="FAULT_ROUNDS is not set (make faults)")
