"""The harness of SynAuG Bench: data, budgets, the loop, evaluation, records and leaderboards.

It knows no component by name: components live in ``baselines``, ``synaug`` and installed plugins.
"""

__version__ = "0.1.0"
