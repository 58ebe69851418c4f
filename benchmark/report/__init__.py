"""Rendering of tables: Markdown, CSV, the console. No number is computed here."""
