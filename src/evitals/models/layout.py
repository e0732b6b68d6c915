"""Names of a job's files, and of the estimators in its scores."""

CONFIG, CHECKPOINTS, PROGRESS, METRICS = (
    "config.toml", "checkpoints", "training_progress.csv", "metrics.json",
)  # fmt: skip
WEIGHTS, EXPORT, PROGRAM = "best_model.pth", "best_model_export.pt", "program"
BUNDLE = "model.evb"
INSTRUCTIONS = "BEST_MODEL_LOADING_INSTRUCTIONS.md"
MODEL, STATIC = "this model", "static OCV+R table"
