"""Small networks with what they learn. Each is made once, for all entries."""
