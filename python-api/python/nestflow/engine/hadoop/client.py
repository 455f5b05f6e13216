"""The user's Hadoop client: a command with one subcommand for each thing to do.

Must not know plans. What the client says of an error is what the user gets to read.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ...errors import InvalidConfException, NestflowHDFSException
from ...options import hadoop_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from .paths import FarPath

    Watch = Callable[[], None]
    """Called again and again while the client is at work: what it raises ends that."""

_PATIENCE = 0.05
_FAREWELL = 5.0
"""Seconds that a client has to clean up after itself."""

_MISSING = "No such file or directory"


class Client:
    """Runs the client; each call starts a JVM, which takes a second."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options of a pipeline; they are looked at by the first call."""
        self._options = options

    def run(self, command: str, *arguments: str, cwd: str | None = None, watch: Watch | None = None) -> str:
        """Do something, and give what the client prints.

        Args:
            command: such as ``ls``.
            arguments: what follows it.
            cwd: where relative paths of this machine begin.
            watch: may raise, which ends the client.

        Raises:
            NestflowHDFSException: the client says that it could not.
            InvalidConfException: there is no client, or an option that cannot be.
        """
        client = self._launcher()
        environment, files = self._configuration()
        with self._settings() as own, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            generic = [word for file in (*files, *own) for word in ("-conf", file)]
            try:
                process = subprocess.Popen(
                    [client, "fs", *generic, f"-{command}", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=cwd,
                    env=environment,
                    # Ctrl-C is for this process, which ends the client in its own way.
                    start_new_session=True,
                )
            except OSError as error:
                raise InvalidConfException(f"the Hadoop client cannot be started: {error}") from error
            try:
                while _is_running(process):
                    if watch is not None:
                        watch()
            finally:
                _end(process)
            out.seek(0)
            err.seek(0)
            said = err.read().decode("utf-8", "replace")
            if process.returncode:
                raise NestflowHDFSException(_complaint(command, said, process.returncode), internal=said)
            return out.read().decode("utf-8", "surrogateescape")

    def kind(self, path: FarPath, watch: Watch | None = None) -> str | None:
        """Say what is there, ``directory`` or ``regular file``; None: nothing."""
        return self._stat("%F", path.exactly(), watch)

    def home(self, watch: Watch | None = None) -> str | None:
        """Give the name of this user's home directory; None: there is none."""
        return self._stat("%n", ".", watch)

    def _stat(self, form: str, path: str, watch: Watch | None) -> str | None:
        try:
            return self.run("stat", form, path, watch=watch).strip()
        except NestflowHDFSException as error:
            if str(error).endswith(_MISSING):
                return None
            raise

    def remove(self, path: FarPath) -> None:
        """Remove a file, or a directory with all that it holds; nothing there is fine."""
        self.run("rm", "-r", "-f", "-skipTrash", path.exactly())

    def _launcher(self) -> str:
        wanted = self._options.get("hadoop_client_path")
        if wanted is not None:
            path: str = os.path.abspath(os.fspath(wanted))
            if not os.access(path, os.X_OK) or os.path.isdir(path):
                raise InvalidConfException(f"hadoop_client_path: {path!r} is no program that can be started")
            return path
        home = os.environ.get("HADOOP_HOME")
        found = shutil.which("hadoop") or (
            shutil.which(os.path.join(home, "bin", "hadoop")) if home else None
        )
        if found is None:
            at_home = (
                f"HADOOP_HOME is {home!r}, where bin/hadoop is none" if home else "HADOOP_HOME is not set"
            )
            raise InvalidConfException(
                "files of Hadoop's file systems need its client: there is no `hadoop` on PATH, and "
                f"{at_home}. Say with hadoop_client_path where it is"
            )
        return os.path.abspath(found)

    def _configuration(self) -> tuple[dict[str, str], list[str]]:
        """The environment of the client, and the files of settings that it is told of."""
        # Names of files are UTF-8, whatever the terminal is.
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        path, who = self._options.get("hadoop_config_path"), "hadoop_config_path"
        if path is None:
            path, who = os.environ.get("HADOOP_CONF_PATH") or None, "the variable HADOOP_CONF_PATH"
        if path is None:
            return environment, []
        place = os.path.abspath(os.fspath(path))
        if os.path.isdir(place):
            return {**environment, "HADOOP_CONF_DIR": place}, []
        if os.path.isfile(place):
            return environment, [place]
        raise InvalidConfException(f"{who} names neither a file nor a directory: {place!r:.200}")

    @contextmanager
    def _settings(self) -> Iterator[list[str]]:
        """A file with the settings of the pipeline: on a command line, others could read them."""
        conf = hadoop_settings(self._options)
        if not conf:
            yield []
            return
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="nestflow-", suffix=".xml") as file:
            file.write("<configuration>\n")
            for key, value in conf.items():
                file.write(f"<property><name>{escape(key)}</name><value>{escape(value)}</value></property>\n")
            file.write("</configuration>\n")
            file.flush()
            yield [file.name]


def _complaint(command: str, said: str, code: int) -> str:
    """What the client says of the error itself; all of it where that cannot be told from the rest."""
    lines = [line for line in said.strip().splitlines() if not line.startswith("\tat ")]
    errors = [line for line in lines if line.startswith(f"{command}: ")]
    text = "\n".join(errors or lines[-10:])
    return f"the Hadoop client: {text}" if text else f"the Hadoop client ended with {code}, without a word"


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the client and what it has started; nothing, if it has ended."""
    if process.poll() is not None:
        return
    until = time.monotonic() + _FAREWELL
    try:
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < until:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(_PATIENCE)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of them have gone
    process.wait()
