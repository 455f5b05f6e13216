"""Paths with a scheme, and where their copies lie in a tree of this machine."""

from __future__ import annotations

import glob
import posixpath
import re
from typing import NamedTuple

_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=/)(?://([^/]*))?(/.*)?", re.DOTALL)

_NOBODY = "-"
"""Stands in a tree where an address names no host, as in ``hdfs:///a``."""

_WILD = re.compile(r"[*?\[]")
_ANY_WILD = re.compile(r"([\\*?\[\]{}])")
_OURS_LITERAL = re.compile(r"([\\{}])")


class FarPath(NamedTuple):
    """A path of a file system that this machine's kernel does not know."""

    scheme: str
    host: str
    path: str

    def __str__(self) -> str:
        """Give the address."""
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def system(self) -> str:
        """What all paths of a file system begin with."""
        return f"{self.scheme}://{self.host}"

    @property
    def name(self) -> str:
        """The last part; nothing for a root."""
        return posixpath.basename(self.path)

    @property
    def parent(self) -> FarPath:
        """The directory that holds it."""
        return self._replace(path=posixpath.dirname(self.path))

    def below(self, name: str) -> FarPath:
        """Give the path of something in this directory."""
        return self._replace(path=posixpath.join(self.path, name))

    @property
    def is_hidden(self) -> bool:
        """Whether directories and wildcards leave it out, as Hadoop does."""
        return self.name.startswith((".", "_"))

    @property
    def is_glob(self) -> bool:
        """Whether it may stand for several files."""
        return _WILD.search(self.path) is not None

    def exactly(self) -> str:
        r"""Give what the client takes for this path and no other.

        Example:
            >>> FarPath("hdfs", "h:1", "/a*").exactly()
            'hdfs://h:1/a\\*'
        """
        return self.system + _ANY_WILD.sub(r"\\\1", self.path)

    def as_pattern(self) -> str:
        """Give what the client takes for the paths that this one means: braces are braces to us."""
        return self.system + _OURS_LITERAL.sub(r"\\\1", self.path)

    def inside(self, tree: str) -> str:
        """Give where its copy lies, so that whoever reads it knows what it is.

        Example:
            >>> FarPath("hdfs", "h:1", "/logs/a.txt").inside("/tmp/x")
            '/tmp/x/hdfs:/h:1/logs/a.txt'
        """
        return f"{tree}/{self.scheme}:/{self.host or _NOBODY}{self.path}"

    def pattern_inside(self, tree: str) -> str:
        """Give what means the copies of what this path means: only what the user wrote is a pattern."""
        if not self.is_glob:
            return self.inside(tree)
        return glob.escape(self._replace(path="").inside(tree)) + self.path


def far_path(path: str) -> FarPath | None:
    """Take a path apart; None: it is one of this machine.

    Example:
        >>> far_path("hdfs:///logs/"), far_path("/logs"), far_path("file:///logs")
        (FarPath(scheme='hdfs', host='', path='/logs'), None, None)
    """
    found = _FORM.fullmatch(path)
    if found is None or found[1] == "file":
        return None
    # Two slashes in front would mean something of their own to `posixpath`.
    plain = "/" + (found[3] or "").lstrip("/")
    return FarPath(found[1], found[2] or "", posixpath.normpath(plain))


def shown(text: str, tree: str) -> str:
    """Give a text with addresses instead of the paths of copies.

    Example:
        >>> shown("/tmp/x/hdfs:/h:1/a: no such file", "/tmp/x"), shown("/tmp/x/hdfs:/-/a", "/tmp/x")
        ('hdfs://h:1/a: no such file', 'hdfs:///a')
    """
    places = re.escape(tree) + r"/([A-Za-z][A-Za-z0-9+.-]*):/(?:-(?=/))?"
    return re.sub(places, r"\1://", text)
