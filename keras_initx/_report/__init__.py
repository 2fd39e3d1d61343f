"""How reports print, and how they are drawn."""
