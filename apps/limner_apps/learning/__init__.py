"""What the bundled apps share to learn with torch; no plugin of its own."""
