"""Hostile inputs by class, made in code; docs/security.md counts them."""
