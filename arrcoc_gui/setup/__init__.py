"""The Setup page: choose project and region, see what would be created, create it."""
