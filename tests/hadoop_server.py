"""Hadoop for tests: an HDFS, and a YARN of two nodes where one is wanted, in one process on this machine.

Where Kerberos says who may do what, the user ``tester`` has a ticket, which lies in a file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]

_OPTIONS = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"]


class Hadoop:
    """What runs, and ways to it that start no JVM."""

    def __init__(self, folder: Path, server: subprocess.Popen[str], ready: list[str]) -> None:
        self.folder = folder
        self.conf = folder / "conf"
        self.kerberos, self.ticket = folder / "kerberos" / "krb5.conf", folder / "kerberos" / "ticket"
        self.hdfs, self._web = ready[:2]
        self.yarn = ready[2] if len(ready) > 2 else ""
        self._server = server

    def put(self, path: str, content: bytes, user: str = "tester") -> str:
        """Write a file, and say where it is."""
        self._files("PUT", path, "CREATE", user, content, overwrite="true")
        return f"{self.hdfs}{path}"

    def read(self, path: str) -> bytes:
        """Give the content of a file."""
        return self._files("GET", path, "OPEN")

    def names(self, path: str) -> list[str]:
        """Give the names in a folder, sorted."""
        found = json.loads(self._files("GET", path, "LISTSTATUS"))
        return sorted(entry["pathSuffix"] for entry in found["FileStatuses"]["FileStatus"])

    def status(self, path: str) -> dict[str, Any] | None:
        """Describe a file or a folder; None: there is none."""
        try:
            found: dict[str, Any] = json.loads(self._files("GET", path, "GETFILESTATUS"))["FileStatus"]
        except HTTPError as error:
            if error.code == 404:
                return None
            raise
        return found

    def tree(self, path: str) -> dict[str, tuple[int, int, int]]:
        """Describe all files below a folder, so that any change shows."""
        found = {}
        for entry in json.loads(self._files("GET", path, "LISTSTATUS"))["FileStatuses"]["FileStatus"]:
            name = f"{path}/{entry['pathSuffix']}"
            if entry["type"] == "DIRECTORY":
                found |= self.tree(name)
            else:
                found[name] = (entry["fileId"], entry["modificationTime"], entry["length"])
        return found

    def bytes_written(self) -> int:
        """Give how many bytes the HDFS has taken, ever, as it counts itself."""
        with urlopen(f"{self._web}/jmx?qry=Hadoop:service=DataNode,name=DataNodeActivity-*") as answer:
            return sum(bean["BytesWritten"] for bean in json.load(answer)["beans"])

    def lines(self, path: str) -> list[str]:
        """Give the lines of an output, in order."""
        parts = [self.read(f"{path}/{name}") for name in self.names(path)]
        return b"".join(parts).decode().splitlines()

    def change(self, operation: str, path: str, **parameters: object) -> None:
        """Do something as the owner of the HDFS, such as SETPERMISSION."""
        self._files("PUT", path, operation, "root", **parameters)

    def safe_mode(self, on: bool) -> None:
        """Let nothing be changed, or again."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write("safe\n" if on else "unsafe\n")
        self._server.stdin.flush()
        self._server.stdout.readline()

    def applications(self) -> list[dict[str, Any]]:
        """Describe what YARN has run, the first first."""
        with urlopen(f"{self.yarn}/ws/v1/cluster/apps") as answer:
            found = json.load(answer)["apps"] or {"app": []}
        return sorted(found["app"], key=lambda app: app["id"])  # type: ignore[no-any-return]

    def ended_since(self, before: set[str]) -> list[dict[str, Any]]:
        """Describe the applications that have come since then, when they are over, or a minute has gone.

        The program of a client ends while its application still says good-bye.
        """
        until = time.monotonic() + 60
        while True:
            new = [app for app in self.applications() if app["id"] not in before]
            if all(app["finalStatus"] != "UNDEFINED" for app in new) or time.monotonic() > until:
                return new
            time.sleep(0.2)

    def client(self, home: str, *arguments: str) -> str:
        """Let Hadoop's own client do something with the ticket, and give what it prints.

        Args:
            home: where a Spark is, whose jars have the client.
            arguments: what is done, such as ``-cat`` and an address.
        """
        ended = subprocess.run(
            [*shell(home, self.kerberos, str(self.conf)), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "KRB5CCNAME": str(self.ticket)},
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout

    def said(self, application: str) -> str:
        """Give what the containers of an application have printed."""
        logs = sorted(self.folder.glob(f"data/yarn/*/*-logDir-*/{application}/*/std*"))
        return "\n".join(f"== {log.parent.name} {log.name}\n{log.read_text()}" for log in logs)

    def _files(
        self, method: str, path: str, operation: str, user: str = "root", data: bytes = b"", **more: object
    ) -> bytes:
        parameters = "".join(f"&{name}={quote(str(value))}" for name, value in more.items())
        url = f"{self._web}/webhdfs/v1{quote(path)}?op={operation}&user.name={user}{parameters}"
        if operation == "CREATE":  # it is the data node that takes the content, and says so
            with urlopen(Request(f"{url}&noredirect=true", method=method)) as answer:
                url = json.load(answer)["Location"]
        body = data if operation == "CREATE" else None
        with urlopen(Request(url, body, method=method)) as answer:
            return bytes(answer.read())


def shell(home: str, kerberos: Path, settings: str) -> list[str]:
    """Give the command of Hadoop's own client; it has the ticket that its environment names, or a token."""
    options = ["-Xms16m", "-Xmx64m", *_OPTIONS[1:], f"-Djava.security.krb5.conf={kerberos}"]
    return ["java", *options, "-cp", f"{settings}:{home}/jars/*", "org.apache.hadoop.fs.FsShell"]


@contextmanager
def started(folder: Path, yarn: bool = False, kerberos: bool = False) -> Iterator[Hadoop]:
    """Start Hadoop, and stop it.

    Args:
        folder: for all that it writes.
        yarn: with a YARN, and settings for its clients.
        kerberos: let in only whom Kerberos knows; then what asks by HTTP does not work.
    """
    found = subprocess.run(["scripts/hadoop"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    places = [str(folder), *([str(folder / "conf")] if yarn or kerberos else [])]
    classes = found.stdout.strip()
    if kerberos:
        (folder / "kerberos").mkdir()  # or a JVM would take it for an archive
        places.append(str(folder / "kerberos"))
        classes = f"{places[-1]}:{classes}"
    # Neither what somebody calls himself here, nor his ticket, is the servers'.
    own = {"HADOOP_USER_NAME", "KRB5CCNAME"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["java", *_OPTIONS, "-cp", classes, "MiniHadoop", *places],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name not in own},
        )
    try:
        assert server.stdout is not None
        ready = server.stdout.readline().split()
        assert ready and ready[0].startswith("hdfs://"), (folder / "log").read_text()[-3000:]
        yield Hadoop(folder, server, ready)
    finally:
        server.kill()
        server.wait()
        for name in ("dfs", "data"):
            shutil.rmtree(folder / name, ignore_errors=True)
