"""What ends the demo early."""

from __future__ import annotations


class DemoFailed(Exception):
    """The demo cannot go on; the message is one line and says why."""
