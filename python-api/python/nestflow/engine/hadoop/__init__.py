"""Files of Hadoop's file systems on the local engine, by the user's own Hadoop client.

The client is a command. It copies sources to a folder of ours before a run, and outputs from there
afterwards: what runs sees files of this machine only.
"""

from __future__ import annotations

from .files import HadoopFiles

__all__ = ["HadoopFiles"]
