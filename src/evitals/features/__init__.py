"""What a stretch of telemetry says in a few numbers."""
