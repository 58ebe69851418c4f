"""How many examples a property is tried on: few and the same ones each time, or many new ones.

SYNAUG_BENCH_EXAMPLES=50 tries 50 times as many, other ones each time.
"""

import os

from hypothesis import HealthCheck, settings

MORE = int(os.environ.get("SYNAUG_BENCH_EXAMPLES", "1"))


def examples(number: int) -> settings:
    """The settings of a property that needs some ``number`` of examples,
    half of them by default."""
    return settings(
        max_examples=number * MORE // 2,
        derandomize=MORE == 1,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
