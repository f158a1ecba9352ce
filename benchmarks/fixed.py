"""Settings that training chooses automatically, with the fixed values of the benchmarks that measure something else."""

SPANS = {
    "learning_rate": 5e-5, "head_lr_multiplier": 1.0, "schedule": "constant", "warm_up": 0.0, "average": 0.0, "patience": 0,
}  # fmt: skip
CLASSIFY = SPANS | {"pooling": "cls"}
