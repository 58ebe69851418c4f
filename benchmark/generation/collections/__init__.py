"""Collections: images that somebody else made or found, stored once and read like a pool."""

from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.cost import CollectedCost, collected_cost
from benchmark.generation.collections.fetching import fetch_urls
from benchmark.generation.collections.importing import import_folder
from benchmark.generation.collections.location import check_location, open_collection
from benchmark.generation.collections.screening import Screen, screen

__all__ = [
    "Collection", "import_folder", "fetch_urls", "open_collection", "check_location",
    "Screen", "screen", "CollectedCost", "collected_cost",
]  # fmt: skip
