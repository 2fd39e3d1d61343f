"""What papers claim of the schemes, each claim as one function that measures it."""
