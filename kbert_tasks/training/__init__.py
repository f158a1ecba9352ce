"""Train models: default settings, optimizers, callbacks, resuming, several devices."""
