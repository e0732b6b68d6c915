"""The pace: what evitals claims to be fast at, measured beside the reference's way.

``python -m benchmarks`` runs every claim; see docs/benchmarks.md.
"""
