"""The prompts of a supply: a template, the classes of the task, and a modifier set by name."""

from pathlib import Path

from benchmark.component import Task
from benchmark.generation.prompts import NO_MODIFIERS, PromptSpec, load_modifiers, prompt_spec

MODIFIERS = Path(__file__).parent / "modifiers"


def prompts_for(template: str, modifiers: str, task: Task, limit: int | None = None) -> PromptSpec:
    """How a supply's prompts are written.

    Args:
        template: text with "{class}" and, if there are modifiers, "{modifier}".
        modifiers: name of a modifier set, "dataset" for the one written for the data set, or
            "none" for plain prompts.
        task: the problem.
        limit: use only the first ``limit`` modifiers; None for all.

    Raises:
        UsageError: an unknown set, or one that lacks a class.
    """
    name = task.modifiers if modifiers == "dataset" else modifiers
    words = None if name == NO_MODIFIERS else load_modifiers(name, MODIFIERS)
    return prompt_spec(template, words, task.classes, limit)
