"""The loop, one file a step. A rule (who may, what is valid, what happens next) lives here once."""
