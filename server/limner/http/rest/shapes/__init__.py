"""The JSON that crosses the wire: one file a resource, every field described."""
