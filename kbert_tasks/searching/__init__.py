"""Search for the best settings of a training: trials with Optuna that are compared by their development scores."""
