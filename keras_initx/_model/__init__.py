"""A whole model: run and watched, rewritten, put back."""
