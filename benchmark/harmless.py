"""Text of others made harmless for terminals and logs: nothing in it is obeyed, all of it is seen.

Class names, labels, ids, file names and what a damaged file holds may carry escape sequences that
recolour, retitle or rewrite a terminal, and marks that turn the order of what is read.
"""

import re
import unicodedata

# controls, marks that are not seen (bidi, tags), lone surrogates, breaks of lines and paragraphs
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# joiners shape letters and emoji of several scripts and steer nothing
_KEPT = "\u200c\u200d"
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@=+-]{0,199}")


def harmless(text: str) -> str:
    r"""The text on one line, with what a terminal would obey or hide written as an escape.

    A carriage return becomes ``\r``, ESC ``\x1b``, a right-to-left override ``\u202e``; all other
    characters stay. Applied twice it changes nothing more.
    """
    if text.isprintable():
        return text
    return "".join(_seen(char) for char in text)


def _seen(char: str) -> str:
    if unicodedata.category(char) not in _UNSEEN or char in _KEPT:
        return char
    return char.encode("unicode_escape").decode("ascii")


def is_file_name(text: str) -> bool:
    """Whether a text is one plain part of a path: no separator, no dots alone, nothing hidden."""
    return bool(_FILE_NAME.fullmatch(text))
