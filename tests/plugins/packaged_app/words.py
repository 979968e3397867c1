"""What it says."""

REASON = "the package said so"
