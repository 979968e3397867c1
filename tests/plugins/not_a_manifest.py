"""A module whose manifest is a plain dictionary."""

manifest = {"name": "plain", "version": "1.0.0"}
