"""Migrations of the store's schema, run on open."""
