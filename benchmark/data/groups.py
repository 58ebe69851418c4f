"""Many, medium and few-shot classes, under the conventions found in the literature."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Group = Literal["many", "medium", "few"]


@dataclass(frozen=True)
class Convention:
    """Where the borders of the shot groups lie.

    Attributes:
        name: what the convention is called in records and tables.
        many: border of Many.
        many_inclusive: whether a class with exactly ``many`` images is Many.
        few: border of Few.
        few_inclusive: whether a class with exactly ``few`` images is Few.
    """

    name: str
    many: int
    many_inclusive: bool
    few: int
    few_inclusive: bool

    def group(self, count: int) -> Group:
        """The group of a class with ``count`` real training images."""
        if count > self.many or (self.many_inclusive and count == self.many):
            return "many"
        if count < self.few or (self.few_inclusive and count == self.few):
            return "few"
        return "medium"


LT20 = Convention("lt20", many=100, many_inclusive=False, few=20, few_inclusive=False)
LE20 = Convention("le20", many=100, many_inclusive=False, few=20, few_inclusive=True)
GE100 = Convention("ge100", many=100, many_inclusive=True, few=20, few_inclusive=True)


def scaled(n_max: int) -> tuple[Convention, Convention]:
    """Conventions for small data: Many > 0.4 n_max, Few < (or <=) 0.1 n_max; lt5, le5 at 50.

    Both borders are rounded to whole images, so that the convention's name is the border.
    """
    many, few = round(0.4 * n_max), round(0.1 * n_max)
    return (
        Convention(f"lt{few}", many, False, few, False),
        Convention(f"le{few}", many, False, few, True),
    )


def assign(counts: Sequence[int], convention: Convention) -> tuple[Group, ...]:
    """The group of each class, from real training counts in label order."""
    return tuple(convention.group(int(count)) for count in counts)
