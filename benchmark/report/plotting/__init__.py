"""Static plots for papers: data, then tidy rows, then ``draw(rows, ax=None) -> (figure, axes)``.

Rows are plain values that any other library can plot. ``draw`` writes no file; given axes it draws
there in their style, else in new ones of a paper's column.
"""
