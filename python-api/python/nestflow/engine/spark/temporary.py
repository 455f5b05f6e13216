"""A client's folder in a file system that tasks see, made when it is first wanted.

It is the user's alone, and goes with the client; what a dead client left is removed by the next one, a
day later. Where a file system does not tell whether somebody holds a file open, as stores of objects, that is
a day after the last file was written.

Asks the JVM; must not know what lies in the folder.
"""

from __future__ import annotations

import time
import uuid
from threading import Lock
from typing import TYPE_CHECKING

from ...bundle.store import COPIES

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
                prefix = f"{COPIES}{users.getCurrentUser().getShortUserName()}-"
                self._remove_dead(files, parent, prefix)
                folder = f"{parent}/{prefix}{uuid.uuid4()}"
                files.ask("create_directory", folder, "700")
                # Where this process is killed, the JVM still does that.
                files.system(folder).deleteOnExit(self._path(folder))
                self._made = files, folder, self._sign(files, folder)
            elif not self._tells(files, self._made[1]):
                self._sign(files, self._made[1])
            return self._made[1]

    def _sign(self, files: Any, folder: str) -> str:
        """Give a sign of life: a file that is held open, or one that is new where nobody could tell that."""
        claim: str = files.ask("claim", f"{folder}/owner", "create")
        if not self._tells(files, folder):
            files.ask("release", folder, claim)
        return claim

    def _tells(self, files: Any, folder: str) -> bool:
        """Whether the file system tells if somebody holds a file open."""
        return bool(files.system(folder).hasPathCapability(self._path(folder), _APPEND))

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
                if status.getPath().getName().startswith(prefix) and self._is_dead(files, status, old):
                    files.ask("remove_tree", status.getPath().toString(), "")
        except Py4JJavaError:
            return  # it is a courtesy

    def _is_dead(self, files: Any, status: Any, old: float) -> bool:
        """Whether nobody uses a folder any more, as far as the file system can tell."""
        folder, changed = status.getPath().toString(), status.getModificationTime()
        if not self._tells(files, folder):
            return 0 < self._newest(files, folder) < old
        # Some file systems do not know when a folder has changed, and say 0.
        if not 0 < changed < old:
            return False
        if files.ask("stat", f"{folder}/owner", "") is None:
            return True
        claim = files.ask("claim", f"{folder}/owner", "abandoned")
        if claim is not None:
            files.ask("release", folder, claim)
        return claim is not None

    def _newest(self, files: Any, folder: str) -> int:
        """When the last file in a folder was written; 0: there is none, as in one that was only just made."""
        found, newest = files.system(folder).listFiles(self._path(folder), True), 0
        while found.hasNext():
            newest = max(newest, found.next().getModificationTime())
        return newest

    def _path(self, text: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(text)
