"""A client's folder in a file system that tasks see, made when it is first wanted.

It is the user's alone, and goes with the client; what a dead client left is removed by the next one, a
day later.

Asks the JVM; must not know what lies in the folder.
"""

from __future__ import annotations

import time
import uuid
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_OLD = 24 * 3600
"""Seconds after which a folder may be that of a dead client."""

_APPEND = "fs.capability.paths.append"
"""What a file system can do that tells whether somebody holds a file open."""


class Temporary:
    """The folder of one client."""

    def __init__(self, jvm: Any) -> None:
        """Make nothing yet."""
        self._jvm = jvm
        self._lock = Lock()
        self._made: tuple[Any, str, str] | None = None

    def inside(self, files: Any, parent: str) -> str:
        """Give the folder, inside another one; ``files`` is the JVM's ``Files``."""
        with self._lock:
            if self._made is None:
                users = self._jvm.org.apache.hadoop.security.UserGroupInformation
                prefix = f"temporary-{users.getCurrentUser().getShortUserName()}-"
                self._remove_dead(files, parent, prefix)
                folder = f"{parent}/{prefix}{uuid.uuid4()}"
                files.ask("create_directory", folder, "700")
                # Where this process is killed, the JVM still does that.
                files.system(folder).deleteOnExit(self._path(folder))
                # A sign of life.
                self._made = files, folder, files.ask("claim", f"{folder}/owner", "create")
            return self._made[1]

    def remove(self) -> None:
        """Remove it, if it was made."""
        from py4j.protocol import Py4JJavaError  # type: ignore[import-not-found, unused-ignore]

        with self._lock:
            made, self._made = self._made, None
            if made is None:
                return
            files, folder, owner = made
            try:
                files.ask("release", folder, owner)
                files.ask("remove_tree", folder, "")
                files.system(folder).cancelDeleteOnExit(self._path(folder))
            except Py4JJavaError:
                return  # the next client will

    def _remove_dead(self, files: Any, parent: str, prefix: str) -> None:
        from py4j.protocol import Py4JJavaError

        old = 1000 * (time.time() - _OLD)
        try:
            for status in files.system(parent).listStatus(self._path(f"{parent}/")):
                named = status.getPath().getName().startswith(prefix)
                folder = status.getPath().toString()
                if named and status.getModificationTime() < old and self._is_dead(files, f"{folder}/owner"):
                    files.ask("remove_tree", folder, "")
        except Py4JJavaError:
            return  # it is a courtesy

    def _is_dead(self, files: Any, owner: str) -> bool:
        """Whether nobody holds the sign of life, as far as the file system can tell."""
        system = files.system(owner)
        if not system.hasPathCapability(self._path(owner), _APPEND) or files.ask("stat", owner, "") is None:
            return True
        claim = files.ask("claim", owner, "abandoned")
        if claim is not None:
            files.ask("release", owner, claim)
        return claim is not None

    def _path(self, text: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(text)
