"""What each key of a row in a leaderboard's JSON is: in the file itself, and in the docs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A key of a row: its unit ("" for text and tags) and what it holds."""

    name: str
    unit: str
    text: str


_TEXTS = {
    "method": ("", "label: component, preset or stack; changed settings; budget"),
    "stack": ("", "names of the components, in order"),
    "track": ("", "real, synthetic, web or oracle; ranks hold within one"),
    "budget": ("", "how many images each class got"),
    "images_added": ("images", "added to the training set, first seed"),
    "knowledge": ("", "tags of what the method knows beyond the training set"),
    "rank": (
        "ranks",
        "low and high of the range, of the ranked rows of the track; null below three seeds",
    ),
    "letters": ("", "rows of a track that share a letter are not told apart"),
    "seeds": ("", "seed of each run"),
    "accuracies": ("share", "accuracy of each run, in the order of seeds"),
    "accuracy": (
        "share",
        "mean over seeds, half-width of its interval (null for one seed), n of seeds",
    ),
    "groups": (
        "share",
        "mean accuracy of many, medium and few by each convention; null for an empty group",
    ),
    "macro": ("share", "mean of the per-class accuracies, mean over seeds"),
    "worst": ("share", "lowest per-class accuracy, mean over seeds"),
    "harmonic": ("share", "harmonic mean of the per-class accuracies, mean over seeds"),
    "nll": ("nats", "negative log-likelihood, mean over seeds"),
    "brier": ("squared distance", "Brier score in [0, 2], mean over seeds"),
    "ece": ("share", "expected calibration error over 15 bins, mean over seeds"),
    "difference": (
        "share",
        "to the reference row: mean, half-width, wins of pairs, p uncorrected, and whether it "
        "differs after correction; null for the reference",
    ),
    "improvement": (
        "share",
        "probability that a run beats one of the reference, its interval and p where they exist, "
        "and the pairs compared; null for the reference",
    ),
    "per_class": (
        "share",
        "accuracy along the tail, most real images first, mean over seeds; null without test rows; "
        "the table's tail has the counts",
    ),
    "costs": (
        "mixed",
        "mean over seeds: images drawn and accepted, network calls and those of fitting and "
        "predicted, device_seconds, flops, web_images, train_seconds; known is false where a "
        "supply did not say",
    ),
    "pool": ("", "keys of the pools, and whether all seeds share one; null without"),
    "search": (
        "mixed",
        "settings tried before each scored run and the seconds that took; null without",
    ),
    "verified": (
        "",
        "recomputed: every metric was recomputed from the predictions beside the records; stated: "
        "there were none",
    ),
    "experiment": ("", "hash of the experiment"),
    "command": ("", "what runs the first seed"),
    "runs": ("", "of each seed: command, hashes of predictions, weights and training rows, commit"),
}
COLUMNS = tuple(Column(name, unit, said) for name, (unit, said) in _TEXTS.items())
