"""Where things are: paths that answers name. They stand for the server's own root."""

from __future__ import annotations

from limner.http.routes import PREFIX


def project_url(project: str) -> str:
    """Return where a project is."""
    return f"{PREFIX}/projects/{project}"


def sample_url(project: str, sample: int) -> str:
    """Return where a sample is."""
    return f"{project_url(project)}/samples/{sample}"


def image_url(project: str, sample: int) -> str:
    """Return where a sample's image is."""
    return f"{sample_url(project, sample)}/image"


def prediction_url(project: str, sample: int) -> str:
    """Return where a sample's prediction is."""
    return f"{sample_url(project, sample)}/predict"


def label_url(label: int) -> str:
    """Return where a label's file is."""
    return f"{PREFIX}/labels/{label}/content"


def job_url(job: int) -> str:
    """Return where a job is."""
    return f"{PREFIX}/jobs/{job}"


def job_events_url(job: int) -> str:
    """Return where a job's events are."""
    return f"{job_url(job)}/events"


def model_url(project: str, number: int) -> str:
    """Return where a model version is."""
    return f"{project_url(project)}/models/{number}"
