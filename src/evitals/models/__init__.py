"""How an estimator is bundled, signed, versioned and switched."""
