"""Pages of the recommender: home, search, users, and the parts of an item's page that need events."""
