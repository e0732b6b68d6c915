"""A vehicle that does not exist, with truth that is known."""
