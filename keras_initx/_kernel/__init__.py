"""What a kernel is, and how its numbers are made."""
