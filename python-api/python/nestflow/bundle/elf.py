"""Programs and libraries of Linux: which others they need, of which glibc, and where they look for them.

Reads and changes 64-bit little-endian ELF files as bytes. Must not run anything.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

_LOAD, _DYNAMIC, _NOTE = 1, 2, 4
_NEEDED, _STRTAB, _STRSZ, _RPATH, _RUNPATH = 1, 5, 10, 15, 29
_VERNEED, _VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_PAGE = 0x10000
"""The largest page of the machines that there are."""

_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)")


class Facts(NamedTuple):
    """What a file says of itself."""

    needed: list[str]
    """The libraries that it is linked to, by name."""
    search: list[str]
    """The folders where it looks for them; ``$ORIGIN`` is its own."""
    versions: list[str]
    """The versions of symbols that it needs of them, such as ``GLIBC_2.17``."""

    @property
    def glibc(self) -> tuple[int, int]:
        """The oldest glibc that has all that it needs.

        Example:
            >>> Facts([], [], ["GLIBC_2.2.5", "GLIBC_2.17", "OPENSSL_3.0.0"]).glibc
            (2, 17)
        """
        found = [_GLIBC.match(version) for version in self.versions]
        return max(((int(match[1]), int(match[2])) for match in found if match), default=(0, 0))


def is_elf(data: bytes) -> bool:
    """Whether a file that begins like this can be read here.

    Example:
        >>> is_elf(b"#!/bin/sh")
        False
    """
    return data[:6] == b"\x7fELF\x02\x01"


def facts(data: bytes) -> Facts:
    """Read what a file says of itself; one that is linked statically needs nothing."""
    image = _Image(data)
    needed = [image.text(value) for _, tag, value in image.dynamic if tag == _NEEDED]
    paths = [image.text(value) for _, tag, value in image.dynamic if tag in (_RPATH, _RUNPATH)]
    search = [folder for path in paths for folder in path.split(":") if folder]
    return Facts(needed, search, image.versions())


def with_search(data: bytes, path: str | None) -> bytes:
    """Give the same program or library, but looking elsewhere for what it needs.

    Args:
        data: the file.
        path: for a program, where it and all that it loads look first; None: for a library, which
            then looks where the program looks.

    Raises:
        ValueError: the file has no room for it.
    """
    image = _Image(data)
    if path is not None:
        return image.search_first(path)
    entries = [(tag, value) for _, tag, value in image.dynamic]
    kept = [entry for entry in entries if entry[0] not in (_RPATH, _RUNPATH)]
    for index, (at, _, _) in enumerate(image.dynamic):
        tag, value = kept[index] if index < len(kept) else (0, 0)
        struct.pack_into("<QQ", image.data, at, tag, value)
    return bytes(image.data)


class _Image:
    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        start, size, count = (*struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54))
        # (where, type, offset, address, bytes in the file)
        self.segments: list[tuple[int, int, int, int, int, int]] = []
        for at in range(start, start + size * count, size):
            kind, _, offset, address, _, length, memory = struct.unpack_from("<IIQQQQQ", data, at)
            self.segments.append((at, kind, offset, address, length, memory))
        self.dynamic: list[tuple[int, int, int]] = []
        self.spare: int | None = None
        """Where one more entry of the dynamic section fits."""
        for _, kind, offset, _, length, _ in self.segments:
            if kind == _DYNAMIC:
                self._read_dynamic(offset, length)
        self._strings = self._at(self.value(_STRTAB)) if self.dynamic else 0

    def _read_dynamic(self, offset: int, length: int) -> None:
        for at in range(offset, offset + length, 16):
            tag, value = struct.unpack_from("<QQ", self.data, at)
            if tag == 0:
                # The last has to stay.
                self.spare = at if at + 32 <= offset + length else None
                return
            self.dynamic.append((at, tag, value))

    def value(self, tag: int) -> int:
        return next((value for _, found, value in self.dynamic if found == tag), 0)

    def _at(self, address: int) -> int:
        for _, kind, offset, start, length, _ in self.segments:
            if kind == _LOAD and start <= address < start + length:
                return offset + address - start
        raise ValueError(f"address {address:#x} is not in the file")

    def text(self, index: int) -> str:
        start = self._strings + index
        return self.data[start : self.data.index(0, start)].decode()

    def versions(self) -> list[str]:
        count = self.value(_VERNEEDNUM)
        at = self._at(self.value(_VERNEED)) if count else 0
        found = []
        for _ in range(count):
            _, names, _, first, following = struct.unpack_from("<HHIII", self.data, at)
            name = at + first
            for _ in range(names):
                _, _, _, text, after = struct.unpack_from("<IHHII", self.data, name)
                found.append(self.text(text))
                name += after
            at += following
        return found

    def search_first(self, path: str) -> bytes:
        """Set DT_RPATH, which unlike DT_RUNPATH goes for what libraries need too."""
        text = path.encode() + b"\0"
        own = [entry for entry in self.dynamic if entry[1] in (_RPATH, _RUNPATH)]
        if own and len(self.text(own[0][2])) >= len(path):
            at, _, index = own[0]
            self.data[self._strings + index : self._strings + index + len(text)] = text
            struct.pack_into("<QQ", self.data, at, _RPATH, index)
            return bytes(self.data)
        return self._with_strings(text, own[0][0] if own else self.spare)

    def _with_strings(self, text: bytes, entry: int | None) -> bytes:
        """Move the table of strings to the end, with one more, into a segment that was a note."""
        loads = [segment for segment in self.segments if segment[1] == _LOAD]
        notes = [segment for segment in self.segments if segment[1] == _NOTE]
        if entry is None or not loads or not notes or notes[-1][0] < loads[-1][0]:
            raise ValueError("there is no room for where it has to look")
        size = self.value(_STRSZ)
        strings = bytes(self.data[self._strings : self._strings + size]) + text
        end = max(address + memory for _, _, _, address, _, memory in loads)
        offset = -(-len(self.data) // _PAGE) * _PAGE
        address = -(-end // _PAGE) * _PAGE
        self.data += bytes(offset - len(self.data)) + strings
        length = len(strings)
        struct.pack_into(
            "<IIQQQQQQ", self.data, notes[-1][0], _LOAD, 4, offset, address, address, length, length, _PAGE
        )
        for at, tag, _ in self.dynamic:
            if tag == _STRTAB:
                struct.pack_into("<QQ", self.data, at, tag, address)
            elif tag == _STRSZ:
                struct.pack_into("<QQ", self.data, at, tag, length)
        struct.pack_into("<QQ", self.data, entry, _RPATH, size)
        return bytes(self.data)
