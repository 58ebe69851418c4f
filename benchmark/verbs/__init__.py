"""What is typed after ``python -m benchmark``: one module a verb, and what it looks at."""
