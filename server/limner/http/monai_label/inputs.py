"""What `/infer` is asked about: a stored image, a file that came with it, or a session's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from limner.errors import InvalidRequest, UnsupportedFormat
from limner.http.context import service
from limner.http.monai_label.reading import asked, form_file, plain_name, saved
from limner.http.monai_label.routes import Here
from limner.images import IMAGE_SUFFIXES, Header, ImageSource, image_suffix
from limner.records.rows import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One image to answer for."""

    image: int | ImageSource
    """A sample's id, or where an image lies that is no sample."""
    suffix: str
    """Format of the image."""
    sample: Sample | None
    """The sample, where it is one."""

    def header(self, here: Here) -> Header:
        """Read the image's header.

        Raises:
            ImageError: It cannot be read.
        """
        if isinstance(self.image, ImageSource):
            return self.image.header()
        return service().samples.header(here.name, self.image)


@contextmanager
def given_image(here: Here) -> Iterator[Input]:
    """Find the image of a request: a session's before a file, a file before a stored image.

    Nothing in the parameters can name one: they come from wherever.

    Raises:
        InvalidRequest: None is given.
        NotFound: There is no such image or session.
        UnsupportedFormat: A file that is no image that is read.
    """
    session_id, image_id, file = asked("session_id"), asked("image"), form_file("file")
    if session_id is not None:
        session = service().sessions.get(here.name, session_id, touch=True)
        source = service().sessions.source(here.name, session)
        suffix = image_suffix(source.paths[0].name) or ""
        yield Input(image=source, suffix=suffix, sample=None)
    elif file is not None:
        name = plain_name(file.filename)
        suffix = image_suffix(name) or ""
        if not suffix:
            raise UnsupportedFormat(
                f"{name[:200]!r} is no image that is read; send one of {', '.join(IMAGE_SUFFIXES)}."
            )
        with saved(file, suffix) as path:
            source = ImageSource(
                paths=(path,),
                name=name,
                modality=service().projects.settings(here.project).modality,
                limits=service().settings.limits,
            )
            yield Input(image=source, suffix=suffix, sample=None)
    elif image_id is not None:
        sample = here.sample(image_id)
        yield Input(image=sample.id, suffix=sample.format, sample=sample)
    else:
        raise InvalidRequest("Neither Image nor File not Session ID input is provided")
