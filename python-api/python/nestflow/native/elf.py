"""What a shared library of Linux says of itself: its functions, what it needs, for which machine it is."""

from __future__ import annotations

import struct
from typing import NamedTuple

_MACHINES = {
    62: "x86_64",
    183: "aarch64",
    3: "i686",
    40: "armv7l",
    21: "ppc64le",
    22: "s390x",
    243: "riscv64",
}
_NEEDED, _DYNAMIC, _SYMBOLS, _VERSIONS = 1, 6, 11, 0x6FFFFFFE
_FUNCTION = 2


class Elf(NamedTuple):
    """A shared library."""

    machine: str
    functions: tuple[str, ...]
    """Exported, in order of their names."""
    needed: tuple[str, ...]
    versions: tuple[str, ...]
    """Of symbols of other libraries, such as ``GLIBC_2.17``."""


def read(path: str) -> Elf | None:
    """Give what a library says, or None where it is not of this format.

    Raises:
        OSError: the file cannot be read.

    Example:
        >>> read("/dev/null") is None
        True
    """
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x7fELF" or data[4] != 2:  # only 64 bits
        return None
    order = "<" if data[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    (table,) = struct.unpack_from(f"{order}Q", data, 40)
    size, count = struct.unpack_from(f"{order}HH", data, 58)
    sections = [
        struct.unpack_from(f"{order}IIQQQQIIQQ", data, table + index * size) for index in range(count)
    ]

    def strings(section: int) -> int:
        return int(sections[section][4])

    def text(base: int, offset: int) -> str:
        start = base + offset
        return data[start : data.index(b"\0", start)].decode(errors="replace")

    functions, needed, versions = set(), [], set()
    for _, kind, _, _, offset, length, link, info, _, entry in sections:
        if kind == _SYMBOLS:
            for at in range(offset, offset + length, entry):
                name, how, other, place = struct.unpack_from(f"{order}IBBH", data, at)
                # Defined here, global or weak, and not hidden.
                if place and how & 15 == _FUNCTION and how >> 4 in (1, 2) and other & 3 in (0, 3):
                    functions.add(text(strings(link), name))
        elif kind == _DYNAMIC:
            for at in range(offset, offset + length, entry):
                tag, value = struct.unpack_from(f"{order}QQ", data, at)
                if tag == _NEEDED:
                    needed.append(text(strings(link), value))
        elif kind == _VERSIONS:
            at = offset
            for _ in range(info):
                _, amount, _, first, following = struct.unpack_from(f"{order}HHIII", data, at)
                inner = at + first
                for _ in range(amount):
                    _, _, _, name, after = struct.unpack_from(f"{order}IHHII", data, inner)
                    versions.add(text(strings(link), name))
                    inner += after
                at += following
    machines = _MACHINES.get(machine, f"machine{machine}")
    return Elf(machines, tuple(sorted(functions)), tuple(needed), tuple(sorted(versions)))
