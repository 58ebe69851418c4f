"""What a table's title says beside the recipe's name: its length, and what is equal across methods.

A shortened recipe must not pass for the published one, nor equal network calls for equal images.
"""

from typing import TYPE_CHECKING

# Not imported when run: a run prints its table without loading scipy.
if TYPE_CHECKING:
    from benchmark.leaderboard import Table


def length(table: "Table") -> str:
    """How long the recipe was made, as a text to put behind its name: ", 15 epochs"."""
    steps = table.rows[0].first.recipe.config.get("steps")
    amount = steps.get("amount") if isinstance(steps, dict) else None
    return f", {amount} {table.key.steps_rule}" if isinstance(amount, int) else ""


def budget_rule(table: "Table") -> str:
    """What is equal across methods, as a text to put behind the title; "" for equal images."""
    return f", {table.key.budget_rule}" if table.key.budget_rule else ""
