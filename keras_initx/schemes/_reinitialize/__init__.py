"""Weights drawn again: the scheme, its rules, its presets."""
