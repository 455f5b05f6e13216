"""Keyword options: the known ones, and one warning for each other name and call site.

An unknown option never fails a program and never passes silently.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .plan.callsite import call_site

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

TRANSFORM_OPTIONS = frozenset(
    [
        "serde",
        "status_serde",
        "transformer_serde",
        "key_serde",
        "value_serde",
        "value_serdes",
        "concurrency",
        "scale",
        "output_size",
        "memory_limit",
        "cpu_limit",
        "size",
        "debug_name",
    ]
)
"""Options of transforms. They are hints of the original system: accepted, and without effect on results.

``concurrency`` of what groups or joins says on Spark how many parts the keys are dealt into.
"""

LEGACY_PIPELINE_OPTIONS = frozenset(
    [
        "default_serde",
        "hadoop_conf",
        "hadoop_job_conf",
        "pass_default_encoding_to_remote",
        "hadoop_config_path",
        "hadoop_client_path",
        "tmp_data_path",
        "spark_home_path",
        "spark_conf",
        "job_name",
        "default_concurrency",
        "cpu_profile",
        "heap_profile",
        "reprepare_cache_archive",
        "round_times",
        "status_as_meta",
        "status_meta_path",
        "status_table_path",
        "status_cache_size",
        "use_leveldb_storage",
        "estimate_concurrency",
        "explain",
    ]
)
"""Options of pipelines that a local pipeline accepts and does not need."""

_MOST_PARTS = 65_535
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_warned: set[tuple[str, str, int]] = set()


def warn_unknown(given: Iterable[str], known: frozenset[str], what: str) -> None:
    """Warn once per name and call site about options that nothing knows.

    Args:
        given: the names that the user gave; none is fine.
        known: the names that mean something or are accepted quietly.
        what: the transform or the kind of pipeline.
    """
    for name in given:
        if name in known:
            continue
        site = call_site(what)
        if (name, site.file, site.line) in _warned:
            continue
        _warned.add((name, site.file, site.line))
        import difflib
        import warnings

        near = difflib.get_close_matches(name, sorted(known), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        message = f"{what} has no option {name!r}, it is ignored{hint}"
        warnings.warn_explicit(message, UserWarning, site.file, site.line)


def concurrency(options: Mapping[str, object], name: str = "concurrency") -> int | None:
    """Give the number of parts that keys are dealt into, if one is given.

    Args:
        options: what the user gave.
        name: the option.

    Raises:
        ValueError: it is no number from 1 to 65535.

    Example:
        >>> concurrency({"concurrency": 8}), concurrency({})
        (8, None)
    """
    parts = options.get(name)
    if parts is None:
        return None
    if isinstance(parts, int) and not isinstance(parts, bool) and 1 <= parts <= _MOST_PARTS:
        return parts
    raise ValueError(f"{name} has to be a number from 1 to {_MOST_PARTS}, not {parts!r:.100}")


def progress_wish(value: object) -> object:
    """Give the option ``progress`` back.

    Raises:
        ValueError: it is neither None, True, False nor callable.

    Example:
        >>> progress_wish(False)
        False
    """
    if value is None or isinstance(value, bool) or callable(value):
        return value
    raise ValueError(f"progress has to be True, False or a function of a dict, not {value!r:.100}")


def folder(value: object, what: str) -> str:
    """Give the path of a folder as text.

    Args:
        value: a text or a path.
        what: the option, for messages.

    Raises:
        ValueError: it is no path.

    Example:
        >>> folder("/tmp", "tmp_dir")
        '/tmp'
    """
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if isinstance(path, str) and path:
        return path
    raise ValueError(f"{what} has to be the path of a folder, not {value!r:.100}")


def as_settings(given: Any, what: str) -> dict[str, str]:
    """Give a dict of texts from a dict of settings; nothing is a dict without any.

    Raises:
        ValueError: not a dict.

    Example:
        >>> as_settings({"dfs.replication": 2}, "hadoop_conf"), as_settings(None, "hadoop_conf")
        ({'dfs.replication': '2'}, {})
    """
    if given is not None and not hasattr(given, "items"):
        raise ValueError(f"{what} has to be a dict of settings, not a {type(given).__name__}")
    return {str(key): str(value) for key, value in (given or {}).items()}


def hadoop_settings(options: Mapping[str, Any]) -> dict[str, str]:
    """Give the settings of Hadoop's that a pipeline brings: of the two options, the first that is there.

    Raises:
        ValueError: not a dict.

    Example:
        >>> hadoop_settings({"hadoop_job_conf": {"a": 1}})
        {'a': '1'}
        >>> hadoop_settings({"hadoop_conf": {}, "hadoop_job_conf": {"a": 1}})
        {}
    """
    for name in ("hadoop_conf", "hadoop_job_conf"):
        if options.get(name) is not None:
            return as_settings(options[name], name)
    return {}


def byte_size(value: int | str, what: str) -> int:
    """Give a number of bytes from a number or a text with a unit.

    Args:
        value: ``1048576``, ``"64MB"``, ``"1.5 GiB"``; units are powers of 1024.
        what: the option, for messages.

    Raises:
        ValueError: it is not a positive size.

    Example:
        >>> byte_size("64MB", "memory_limit")
        67108864
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", str(value).lower())
    size = int(float(match[1]) * _UNITS[match[2]]) if match and isinstance(value, str) else 0
    if size <= 0:
        raise ValueError(f"{what} has to be a number of bytes or a text such as '64MB', not {value!r}")
    return size
