"""Writes the project of a new plugin: checks its name, fills the templates beside this file."""

from limner.cli.new_project.names import Kind, Names
from limner.cli.new_project.writing import write_project

__all__ = ["Kind", "Names", "write_project"]
