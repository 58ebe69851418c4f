"""The page: one HTML file without network access, made from leaderboards and grids."""
