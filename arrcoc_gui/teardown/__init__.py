"""The Teardown page: exactly what would be removed, a typed confirmation, the removal."""
