"""What a run says while it works: plain lines on the standard error stream."""

import sys

from benchmark.harmless import harmless


def say(topic: str, text: str) -> None:
    """Print one line, the topic in a column of its own."""
    print(f"{topic:<9} {harmless(text)}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as a short text: 4.2 s, 3 min 10 s, 2 h 05 min."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
