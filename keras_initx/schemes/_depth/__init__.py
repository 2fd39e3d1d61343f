"""What the schemes for residual networks share."""
