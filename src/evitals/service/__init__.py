"""How it runs: app, pipeline, watch, metrics."""
