"""Keeping decoders from logging what they think of a damaged file: we raise it instead."""

from __future__ import annotations

import logging


def silence(*names: str) -> None:
    """Mute a decoder's own logger for the process.

    It would repeat, with the file's name and so perhaps a patient's, what an error says already.
    """
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
