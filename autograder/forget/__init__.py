"""A student out of a course folder."""
