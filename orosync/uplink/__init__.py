"""A realm joined to a realm of another router."""
