"""The table of docs/security.md: hostile inputs by class; ``python -m tests.security.counts``."""

from collections.abc import Sequence

from benchmark.boards.text import markdown_table
from tests.security import (
    test_archives,
    test_downloads,
    test_images,
    test_plugins,
    test_results,
    test_texts,
    test_urls,
    test_weights,
    test_words,
)
from tests.security.cases import Case

HEADER = ["class of input", "cases", "refused", "harmless", "with anything run or written"]
CLASSES: dict[str, Sequence[Case]] = {
    "archives and folders": test_archives.CASES,
    "images": test_images.CASES,
    "checkpoints, weights, pipelines, adapters, model names": [
        *test_weights.CHECKPOINTS, *test_weights.TENSORS, *test_weights.SHAPES,
        *test_weights.NAMES, *test_weights.PIPELINES, *test_weights.PLACES,
    ],
    "labels, class names and commands as text": test_texts.TEXTS,
    "command lines, lists of jobs, YAML": [
        *test_words.WORDS, *(Case(" ".join(line), line) for line in test_words.LINES),
        *test_words.JOBS, *test_words.YAML,
    ],
    "URLs, hosts, servers, downloads": [
        *test_urls.URLS, *test_urls.HOSTS, *test_urls.SERVERS, *test_downloads.CASES,
    ],
    "plugins": [*test_plugins.ENTRIES, *test_plugins.LOADED],
    "predictions, records, submissions, rows of pools and collections": [
        *(case for _, case in test_results.PREDICTIONS), *test_results.RECORDS,
        *test_results.DETAILS, *test_results.ROWS, *test_results.FILES,
    ],
}  # fmt: skip


def rows() -> list[list[str]]:
    """A row for each class, and the sum."""
    counted = [
        (name, len(cases), sum(case.outcome == "refused" for case in cases))
        for name, cases in CLASSES.items()
    ]
    total = ("all", sum(n for _, n, _ in counted), sum(refused for *_, refused in counted))
    return [
        [name, str(n), str(refused), str(n - refused), "0"]
        for name, n, refused in [*counted, total]
    ]


def table() -> str:
    """The table as Markdown."""
    return markdown_table(HEADER, rows())


if __name__ == "__main__":
    print(table(), end="")
