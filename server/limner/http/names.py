"""Which project a row belongs to: rows name it by id, answers and URLs by name."""

from __future__ import annotations

from limner.http.context import service


def project_name(project_id: int) -> str:
    """Return the name of the project with this id.

    Raises:
        NotFound: It is deleted.
    """
    return service().projects.of_id(project_id).name
