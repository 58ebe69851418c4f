"""What a table's title says: data, imbalance, recipe, its length, and what is equal across methods.

A shortened recipe must not pass for the published one, nor equal network calls for equal images.
"""

from typing import TYPE_CHECKING

# Not imported when run: a run prints its table without loading scipy.
if TYPE_CHECKING:
    from benchmark.boards.leaderboard import Table
    from benchmark.recording.record_models import Record


def title(table: "Table") -> str:
    """What a table is called: data, recipe and its length, and what is equal if not the images."""
    recipe = f"{table.key.recipe}{length(table)}{budget_rule(table)}{harness(table)}"
    return f"{table.key.dataset}{imbalance_factor(table)}{images(table)}: {recipe}"


def imbalance_factor(table: "Table") -> str:
    """The configured imbalance, as a text to put behind the data's name: ", IF 100"."""
    found = imbalance(table.rows[0].first)
    return "" if found is None else f", IF {found:g}"


def imbalance(record: "Record") -> float | None:
    """The imbalance factor that the data set was configured with; None where it has none."""
    settings = record.experiment.config.get("dataset")
    found = settings.get("imbalance") if isinstance(settings, dict) else None
    return float(found) if isinstance(found, int | float) else None


def images(table: "Table") -> str:
    """Size and source of the images where settings leave them open: ", 64 px, images 1a2b3c4d"."""
    return f", {table.key.images}" if table.key.images else ""


def harness(table: "Table") -> str:
    """The protocol of the harness, as a text to put behind the title; "" for the first."""
    return f", harness protocol {table.key.harness}" if table.key.harness > 1 else ""


def length(table: "Table") -> str:
    """How long the recipe was made, as a text to put behind its name: ", 15 epochs"."""
    steps = table.rows[0].first.recipe.config.get("steps")
    amount = steps.get("amount") if isinstance(steps, dict) else None
    return f", {amount} {table.key.steps_rule}" if isinstance(amount, int) else ""


def budget_rule(table: "Table") -> str:
    """What is equal across methods, as a text to put behind the title; "" for equal images."""
    return f", {table.key.budget_rule}" if table.key.budget_rule else ""
