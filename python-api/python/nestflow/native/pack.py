"""Wheels of shared libraries: the library, a module that opens it, and a stub with its types.

A wheel is for any Python 3 (``py3-none-…``) and for one platform: no code in it is compiled for Python.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import sysconfig
import zipfile

from ..errors import InvalidConfException
from . import elf, native, resources
from .stub import stub

# What every glibc system has: PEP 600 asks for nothing else.
_EVERYWHERE = re.compile(
    r"(lib(c|m|dl|rt|pthread|util|nsl|resolv|gcc_s|stdc\+\+)|ld-linux[-\w]*|ld64|linux-vdso)\.so(\.\d+)*"
)
_OLDEST = (2, 17)
_WHEN = (1980, 1, 1, 0, 0, 0)
_MODULE = '''"""{doc}"""

import os

from nestflow.native.library import Options, packed

library = packed(
    __name__,
    os.path.join(os.path.dirname(os.path.abspath(__file__)), {library!r}),
    {options!r},
)
__all__ = {names!r}
{assignments}
'''


def pack(
    library: str,
    name: str,
    out: str = "dist",
    *,
    version: str | None = None,
    platform: str | None = None,
    functions: list[str] | None = None,
    free: str | None = None,
    returns: str | None = None,
) -> str:
    """Make a wheel of a shared library and give its path.

    Args:
        library: the path of the library; a header beside it comes with it.
        name: of the package and of the module that is imported.
        out: the folder that the wheel is put into.
        version: of the package; ``0.0.0+HASH`` of the library unless given.
        platform: the tag, such as ``manylinux_2_17_x86_64``; unless given, what the library needs.
        functions: those of the module; all that are found unless given.
        free: as in `nestflow.native`.
        returns: as in `nestflow.native`.

    Raises:
        InvalidConfException: no such name can be, or there are no functions.
        OSError: a file cannot be read or written.
        AttributeError: one of the functions is not there.
    """
    if not name.isidentifier():
        raise InvalidConfException(f"{name} is no name of a module")
    opened = native(library, free=free, returns=returns)
    names = functions or dir(opened)
    if not names:
        raise InvalidConfException(f"no functions were found in {library}: say which there are")
    path = os.path.abspath(library)
    hashed = resources.digest(path)
    version = version or f"0.0.0+{hashed[:8]}"
    doc = f"Functions of {os.path.basename(path)}, packed by nestflow."
    module = _MODULE.format(
        doc=doc,
        library=os.path.basename(path),
        options=opened._options,
        names=sorted(names),
        assignments="\n".join(f"{each} = library.{each}" for each in names),
    )
    tag = f"py3-none-{platform or platform_of(path)}"
    files = {
        f"{name}/__init__.py": module.encode(),
        f"{name}/__init__.pyi": stub([getattr(opened, each) for each in names], doc).encode(),
        f"{name}/py.typed": b"",
        f"{name}/{os.path.basename(path)}": _read(path),
    }
    header = os.path.splitext(path)[0] + ".h"
    if os.path.isfile(header):
        files[f"{name}/{os.path.basename(header)}"] = _read(header)
    info = f"{name}-{version}.dist-info"
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {doc}\nRequires-Dist: nestflow\n"
    ).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: nestflow.native\nRoot-Is-Purelib: false\nTag: {tag}\n"
    ).encode()
    record = "".join(f"{place},sha256={_hash(data)},{len(data)}\n" for place, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    os.makedirs(out, exist_ok=True)
    wheel = os.path.join(out, f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, data in files.items():
            entry = zipfile.ZipInfo(place, _WHEN)
            entry.external_attr = (0o755 if place.endswith((".so", ".dylib")) else 0o644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return wheel


def platform_of(path: str) -> str:
    """Give the platform tag of a library, by what it needs of the system.

    Libraries of glibc systems that need nothing but glibc and GCC's own get the tag of their glibc, from 2.17
    on; all others that of this machine.
    """
    library = elf.read(path) if sys.platform == "linux" else None
    if library is None:
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    if not all(_EVERYWHERE.fullmatch(needed) for needed in library.needed):
        return f"linux_{library.machine}"
    found = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", version) for version in library.versions]
    glibc = max([_OLDEST, *((int(each[1]), int(each[2])) for each in found if each)])
    return f"manylinux_{glibc[0]}_{glibc[1]}_{library.machine}"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
