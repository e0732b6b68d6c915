"""What is remembered: records, store, views."""
