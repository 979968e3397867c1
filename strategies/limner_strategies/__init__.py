"""The bundled query strategies, a family a file. They are plugins like anyone's."""
