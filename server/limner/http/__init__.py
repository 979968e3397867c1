"""What clients speak: the REST interface, its errors, and the server that carries it."""
