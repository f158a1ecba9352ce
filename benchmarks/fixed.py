"""Fixed values for the automatic settings, for benchmarks that do not measure these settings."""

SPANS = {
    "learning_rate": 5e-5, "head_lr_multiplier": 1.0, "schedule": "constant", "warmup_ratio": 0.0, "ema_decay": 0.0,
    "fgm_epsilon": 0.0, "patience": 0,
}  # fmt: skip
CLASSIFY = SPANS | {"pooling": "cls"}
