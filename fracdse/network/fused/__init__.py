"""A gated layer in training on a GPU: a few fused passes over its maps in place of many."""
