"""Paths: of this machine and of Hadoop's file systems."""

from __future__ import annotations

import os
import re
import shutil

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".jar", "qp")


def to_abs_local_path(path: str) -> str:
    """Give the absolute form of a path; one with a scheme stays as it is.

    Example:
        >>> to_abs_local_path("/tmp/../x"), to_abs_local_path("hdfs:///x")
        ('/x', 'hdfs:///x')
    """
    return path if re.match(r"[A-Za-z][\w+.-]*:", path) else os.path.abspath(path)


def is_hdfs_path(path: str) -> bool:
    """Whether a path is one of HDFS.

    Example:
        >>> is_hdfs_path("hdfs://host:9000/x"), is_hdfs_path("/x")
        (True, False)
    """
    return path.startswith("hdfs://")


def extract_namenode(path: str) -> str | None:
    """Give the part of a path of HDFS that names the name node; None: it is no such path.

    Example:
        >>> extract_namenode("hdfs://host:9000/x"), extract_namenode("hdfs:///x"), extract_namenode("/x")
        ('hdfs://host:9000', 'hdfs://', None)
    """
    found = re.match(r"(hdfs://[^/]*)/", path, re.IGNORECASE)
    return found[1] if found else None


def can_be_archive_path(path: str) -> bool:
    """Whether the name is one of an archive.

    Example:
        >>> can_be_archive_path("data.tar.gz"), can_be_archive_path("data.txt")
        (True, False)
    """
    return path.endswith(_ARCHIVES)


def rm_rf(path: str) -> None:
    """Remove a file, or a directory with all that it holds; nothing there is fine.

    Example:
        >>> rm_rf("/tmp/there is nothing of this name")
    """
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
