"""Training: settings, optimizers, callbacks, resuming, several devices."""
