"""Putting an archive where all machines find it, once: first the archive, then the manifest that names it.

Whoever finds the manifest finds the whole archive. Two clients at once put the same bytes under the same
names, and the second of them finds that they are there. One that is killed leaves at most a file that the
next one knows by its content. Others can write what lies there: what a client knows itself, it compares.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import NestflowRuntimeException

if TYPE_CHECKING:
    from .prepared import Prepared
    from .store import Store


_KNOWN = ("key", "library", "unpacked", "files", "program")
"""What a manifest says that follows from the content: whoever has the files knows it without it."""


class Published(NamedTuple):
    """An archive that all machines find."""

    name: str
    uri: str
    manifest: dict[str, Any]
    uploaded: int
    """The bytes that had to be written for it."""


def publish(store: Store, folder: str, prepared: Prepared, again: bool = False) -> Published:
    """Make sure that an archive and its manifest are in a store.

    Args:
        store: where.
        folder: the folder in it.
        prepared: the archive, which is only made if it is not there.
        again: make it in any case, and replace one that is not the same.

    Raises:
        NestflowRuntimeException: what is there under its name is something else; the text names the file.
        OSError: the store cannot be read or written, or a private folder is not this user's alone.
    """
    store.check(folder)
    found = None if again else there(store, folder, prepared)
    if found is not None:
        return found
    name = f"{folder}/{prepared.name}"
    archive, manifest = f"{name}.tar.gz", f"{name}.json"
    made = prepared.archive(again)
    says = {**prepared.facts, "name": prepared.name, "sha256": made.sha256, "bytes": made.bytes}
    text = (json.dumps(says, indent=1, sort_keys=True) + "\n").encode()
    uploaded = _put(store, archive, made.path, made.sha256, again, made.bytes)
    if again and store.size(manifest) is not None and store.read(manifest) != text:
        store.remove(manifest)
    if store.put(manifest, text):
        uploaded += len(text)
    put = read_manifest(store, manifest)
    if put is None:
        raise _spoiled(store, manifest, "it is not there any more")
    # Somebody else may have put another one before.
    _compare(store, manifest, put, prepared)
    return Published(prepared.name, store.uri(archive), put, uploaded)


def there(store: Store, folder: str, prepared: Prepared) -> Published | None:
    """Give an archive that is in a store, and mark it as used; None: it is not there.

    Raises:
        NestflowRuntimeException: what is there under its name is something else; the text names the file.
        OSError: the store cannot be read.
    """
    name = f"{folder}/{prepared.name}"
    archive, manifest = f"{name}.tar.gz", f"{name}.json"
    says = read_manifest(store, manifest)
    size = store.size(archive) if says is not None else None
    if says is None or size is None:
        return None
    _compare(store, manifest, says, prepared)
    if size != says["bytes"]:
        raise _spoiled(store, archive, f"it has {size} bytes instead of {says['bytes']}")
    with suppress(OSError):  # only its owner can; the archive itself must stay as it is
        store.mark(manifest)
    return Published(prepared.name, store.uri(archive), says, 0)


def _compare(store: Store, name: str, there: dict[str, Any], prepared: Prepared) -> None:
    """Make sure that a manifest is that of an archive as it would be made here."""
    own: dict[str, object] = {key: prepared.facts.get(key) for key in _KNOWN}
    made = prepared.made()
    if made is not None:
        own |= {"sha256": made.sha256, "bytes": made.bytes}
    for key, value in own.items():
        if there.get(key) != value:
            raise _spoiled(store, name, f"its {key} is {there.get(key)!r:.100} instead of {value!r}")


def _put(store: Store, archive: str, path: str, sha256: str, again: bool, size: int) -> int:
    """Put the archive, and say how many bytes were written."""
    if store.put(archive, path):
        return size
    if store.digest(archive) == sha256:
        return 0
    if not again:
        raise _spoiled(store, archive, "its content is not what its name says")
    store.remove(archive)
    return size if store.put(archive, path) else 0


def read_manifest(store: Store, name: str) -> dict[str, Any] | None:
    """Give what a manifest says; None: there is none.

    Raises:
        NestflowRuntimeException: it is no manifest.
    """
    if store.size(name) is None:
        return None
    try:
        found: dict[str, Any] = json.loads(store.read(name))
        if not {"name", "sha256", "bytes", "unpacked", "key"} <= set(found):
            raise ValueError
    except ValueError:
        raise _spoiled(store, name, "it is no manifest") from None
    return found


def _spoiled(store: Store, name: str, what: str) -> NestflowRuntimeException:
    return NestflowRuntimeException(
        f"{store.uri(name)} is damaged: {what}; reprepare_cache_archive=True makes it anew"
    )
