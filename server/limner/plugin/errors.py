"""What a plugin may raise, and the root of every exception of Limner.

LimnerError
├── PluginError          a plugin says that it cannot do what was asked
│   ├── UnsuitableInput  the image, label or request is not one this plugin can take
│   └── Stopped          work ended early because it was told to
└── (the server's own branches are in `limner.errors`)
"""

from __future__ import annotations


class LimnerError(Exception):
    """Root of every exception that Limner raises on purpose.

    The message says what was wrong, with which value, and what to do.
    """


class PluginError(LimnerError):
    """A plugin cannot do what was asked; the message reaches the user as it is."""


class UnsuitableInput(PluginError):
    """The image, label or request is not one this plugin can take."""


class Stopped(PluginError):
    """Work ended early because `Watch.should_stop` answered yes."""
