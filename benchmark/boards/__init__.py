"""Leaderboards as pure functions of records, beside costs and published figures."""
