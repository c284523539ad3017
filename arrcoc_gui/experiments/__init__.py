"""The Experiments page: what there is, what is in it, and Launch."""
