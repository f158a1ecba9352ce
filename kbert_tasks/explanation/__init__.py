"""Why a trained task answers so: attributions of tokens by integrated gradients, and the attention of every head."""
