"""Outputs in far file systems: written here, put beside their target, moved into its place.

The rules are those of ``runtime/src/io/commit.rs``: the target is as it was until all has been written, and
appears by one change of name; of several outputs, all appear or none.
"""

from __future__ import annotations

import os
import uuid
import warnings
from typing import TYPE_CHECKING

from ...errors import InvalidDataException, NestflowHDFSException

if TYPE_CHECKING:
    from ...plan.nodes import FileSink
    from .client import Client, Watch
    from .paths import FarPath

_PARTS, _OLD = "parts", "old"

_HOMES = "/user"
"""Where homes are, unless ``dfs.user.home.dir.prefix`` says something else."""

_WITHOUT_RENAME = {"s3a", "s3", "s3n", "gs", "oss", "obs", "cosn", "wasb", "wasbs", "abfs", "abfss"}
"""Where a directory is no thing of its own; the list is that of ``runtime/src/io/remote_storage.rs``."""


class Output:
    """One output of a run."""

    def __init__(self, client: Client, sink: FileSink, target: FarPath, near: str) -> None:
        """Take the target, and the directory that the run is going to make.

        Raises:
            InvalidDataException: an output cannot or must not be there.
        """
        self.target = target
        self._client = client
        self._overwrite = sink.overwrite
        self._near = near
        self._work = target.parent.below(f".writing-{target.name}-{uuid.uuid4().hex}")
        self._made = False
        self._replaces = False
        self.stuck = False
        if target.scheme in _WITHOUT_RENAME:
            raise InvalidDataException(
                f"{target}: an output has to appear as a whole, and in this store no directory can be "
                "renamed at once. Write to a file system that can, such as hdfs:, and copy from there"
            )
        if target.path.rstrip("/") in ("", _HOMES):
            raise self._holds_home()

    def check(self, watch: Watch) -> None:
        """Look whether the target may be written, or replaced.

        Raises:
            InvalidDataException: it may not.
        """
        kind = self._client.kind(self.target, watch)
        self._replaces = kind is not None
        # Only Hadoop knows who this user is there: a ticket may say so.
        at_homes = self._replaces and self.target.parent.path == _HOMES
        if at_homes and self._client.home(watch) == self.target.name:
            raise self._holds_home()
        if kind not in (None, "directory"):
            raise InvalidDataException(
                f"{self.target}: an output is a directory of parts, and something else is there already"
            )
        if self._replaces and not self._overwrite:
            raise InvalidDataException(f"{self.target}: the output exists, and overwrite is off")

    def _holds_home(self) -> InvalidDataException:
        return InvalidDataException(
            f"{self.target}: an output replaces its whole directory, and this one holds the home directory. "
            "Write to a directory of its own"
        )

    def size(self) -> int:
        """How many bytes there are to put."""
        with os.scandir(self._near) as entries:
            return sum(entry.stat().st_size for entry in entries)

    def put(self, watch: Watch) -> None:
        """Put the parts beside the target."""
        self._made = True
        self._client.run("mkdir", "-p", self._work.exactly(), watch=watch)
        # The client takes names of this machine for addresses, in which not every character is itself.
        folder, plain = os.path.dirname(self._near), uuid.uuid4().hex
        os.rename(self._near, os.path.join(folder, plain))
        self._client.run("put", plain, self._work.below(_PARTS).exactly(), cwd=folder, watch=watch)

    def place(self) -> None:
        """Give the parts the target's name."""
        if self._replaces:
            self._move(self.target, self._work.below(_OLD))
        try:
            self._move(self._work.below(_PARTS), self.target)
            # The client moves something into a directory rather than refuse.
            intruder = self.target.below(_PARTS)
            if self._client.kind(intruder) is not None:
                self._move(intruder, self._work.below(_PARTS))
                self._replaces = False
                raise NestflowHDFSException(f"{self.target}: somebody else has just made it")
        except NestflowHDFSException:
            if self._replaces:
                self._put_back()
            raise

    def take_back(self) -> None:
        """Undo `place`, because another output of the run failed."""
        try:
            self._move(self.target, self._work.below(_PARTS))
        except NestflowHDFSException:
            self.stuck = True
            return
        if self._replaces:
            self._put_back()

    def clean(self) -> None:
        """Remove what is not the target; where the old one could not be put back, it stays."""
        if self._made and not self.stuck:
            try:
                self._client.remove(self._work)
            except NestflowHDFSException as error:
                warnings.warn(f"{self._work} stays behind: {error}", UserWarning, stacklevel=2)

    def where_old(self) -> str:
        """Say where the target that was replaced is."""
        return f"{self.target} (it is {self._work.below(_OLD)})"

    def _put_back(self) -> None:
        try:
            self._move(self._work.below(_OLD), self.target)
        except NestflowHDFSException:
            self.stuck = True

    def _move(self, old: FarPath, new: FarPath) -> None:
        self._client.run("mv", old.exactly(), new.exactly())


def put_all(outputs: list[Output], watch: Watch) -> None:
    """Put all outputs of a run in their places, or none.

    Args:
        outputs: what the run has written here.
        watch: may raise as long as nothing is in place.

    Raises:
        NestflowHDFSException: every target is as it was, or the text says which are not.
    """
    try:
        for output in outputs:
            output.put(watch)
        for output in outputs:
            output.check(watch)
        _place_all(outputs)
    finally:
        for output in outputs:
            output.clean()


def _place_all(outputs: list[Output]) -> None:
    placed: list[Output] = []
    try:
        for output in outputs:
            output.place()
            placed.append(output)
    except NestflowHDFSException as error:
        for output in reversed(placed):
            output.take_back()
        stuck = [output.where_old() for output in outputs if output.stuck]
        if not stuck:
            raise
        text = f"{error}. What was in place before could not be put back for: {', '.join(stuck)}"
        raise NestflowHDFSException(text) from error
