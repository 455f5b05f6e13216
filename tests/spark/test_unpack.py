"""How machines unpack archives: once, whatever is killed meanwhile, and nothing but what they should be."""

from __future__ import annotations

import os
import random
import tarfile
import time
from typing import TYPE_CHECKING

import pytest
from unpacking import Archive, Unpacker, compiled, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Unpack = Callable[..., tuple[bool, str]]

REPETITIONS = int(os.environ.get("NESTFLOW_REPETITIONS", "2"))
FILES = [(f"folder{number % 7}/file{number}", os.urandom(50_000) * (number % 3)) for number in range(200)]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return packed(tmp_path / "thing.tar.gz", [("a/b", b"one"), ("a/c d", b""), ("e", b"two")])


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def unpack(classes: Path) -> Iterator[Unpack]:
    unpacker = Unpacker(classes)
    yield unpacker.unpack
    unpacker.kill()


def is_whole(tree: Path, files: list[tuple[str, bytes]]) -> bool:
    return all((tree / name).read_bytes() == data for name, data in files)


def test_it_is_unpacked_once(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    cache = tmp_path / "deep" / "cache"
    assert unpack(archive, cache) == (True, str(cache / "thing"))
    assert is_whole(cache / "thing", [("a/b", b"one"), ("a/c d", b""), ("e", b"two")])
    assert cache.stat().st_mode & 0o777 == 0o700
    # Found as it is: without the archive.
    archive.path.unlink()
    assert unpack(archive, cache) == (True, str(cache / "thing"))
    assert sorted(path.name for path in cache.iterdir()) == ["thing", "thing.lock", "thing.mark"]


def test_what_somebody_took_is_unpacked_again(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    assert unpack(archive, tmp_path / "cache")[0]
    (tmp_path / "cache" / "thing" / "e").unlink()
    (tmp_path / "cache" / "thing" / "a" / "b").write_bytes(b"only half of it")
    assert unpack(archive, tmp_path / "cache")[0]
    assert is_whole(tmp_path / "cache" / "thing", [("a/b", b"one"), ("e", b"two")])


def change(file: Path) -> None:
    """Change a file so that neither its size nor its time says so."""
    state = file.stat()
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[::-1])
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    file.chmod(state.st_mode)


def test_what_somebody_changed_is_unpacked_again(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    assert unpack(archive, tmp_path / "cache")[0]
    change(tmp_path / "cache" / "thing" / "a" / "b")
    assert unpack(archive, tmp_path / "cache")[0]
    assert is_whole(tmp_path / "cache" / "thing", [("a/b", b"one"), ("e", b"two")])
    # What was only touched is read again, and stays.
    archive.path.unlink()
    (tmp_path / "cache" / "thing" / "e").touch()
    assert unpack(archive, tmp_path / "cache")[0]


def test_what_is_not_what_the_client_knows(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    """Who put the archive has written its hash into the manifest; the key, a client knows of itself."""
    other = packed(tmp_path / "other.tar.gz", [("a/b", b"ONE"), ("a/c d", b""), ("e", b"two")])
    worked, error = unpack(other.changed(key=archive.key), tmp_path / "cache")
    assert not worked
    assert f"{other.path} is damaged: " in error and ".nestflow-files is damaged: its SHA-256 is" in error
    assert [path.name for path in (tmp_path / "cache" / "thing.part").iterdir()] == [".nestflow-files"]
    assert not (tmp_path / "cache" / "thing").exists()


@pytest.fixture
def brought(archive: Archive, tmp_path: Path) -> Path:
    """Where the archive lies unpacked, as a node manager does that."""
    with tarfile.open(archive.path) as opened:
        opened.extractall(tmp_path / "brought", filter="tar")
    return tmp_path / "brought"


def test_what_yarn_has_unpacked(archive: Archive, brought: Path, tmp_path: Path, unpack: Unpack) -> None:
    archive.path.unlink()
    # As an interpreter of somebody else leaves it, and as no archive of ours could have it.
    (brought / "a" / "__pycache__").mkdir()
    (brought / "a" / "__pycache__" / "b.pyc").write_bytes(b"another program")
    (brought / "sitecustomize.py").symlink_to(brought / "e")
    (tmp_path / "link").symlink_to(brought)
    for _ in range(2):
        assert unpack(archive, tmp_path / "cache", tmp_path / "link") == (True, str(brought))
        assert sorted(path.name for path in brought.rglob("*") if not path.is_dir()) == [
            ".nestflow-files",
            "b",
            "c d",
            "e",
        ]
    # Nothing but what says that all of it was read.
    lock, mark = sorted((tmp_path / "cache").iterdir(), reverse=True)
    assert (lock.name, mark.suffix, mark.stat().st_size) == ("thing.lock", ".mark", 64)


@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("damage", ["changed", "gone", "list", "link"])
def test_what_yarn_has_unpacked_is_damaged(
    archive: Archive, brought: Path, tmp_path: Path, unpack: Unpack, damage: str, marked: bool
) -> None:
    if marked:
        assert unpack(archive, tmp_path / "cache", brought)[0]
    file = brought / (".nestflow-files" if damage == "list" else "a/b")
    if damage == "gone":
        file.unlink()
    elif damage == "link":
        file.rename(tmp_path / "moved")
        file.symlink_to(tmp_path / "moved")
    else:
        change(file)
    worked, error = unpack(archive, tmp_path / "cache", brought)
    assert not worked
    assert str(file) in error
    assert f"{brought} is damaged (" in error
    assert f"): this node's manager has to fetch file://{archive.path} anew" in error


@pytest.mark.parametrize("seed", range(REPETITIONS))
@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "gone"])
def test_a_damaged_archive(archive: Archive, tmp_path: Path, unpack: Unpack, damage: str, seed: int) -> None:
    chance = random.Random(f"{damage} {seed}")
    data = bytearray(archive.path.read_bytes())
    if damage == "bit":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        del data[chance.randrange(1, len(data)) if damage == "cut" else 0 :]
    archive.path.write_bytes(data)
    if damage == "gone":
        archive.path.unlink()
    worked, error = unpack(archive, tmp_path / "cache")
    assert not worked
    assert str(archive.path) in error
    assert ("is damaged: its SHA-256 is" in error) == (damage != "gone")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["thing.lock"]


def entry(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, to
    return made


def sparse(name: str, size: int) -> tarfile.TarInfo:
    """A file of so many zeros, none of which is in the archive."""
    made = tarfile.TarInfo(name)
    made.pax_headers = {
        "GNU.sparse.size": str(size),
        "GNU.sparse.map": f"{size},0",
        "GNU.sparse.numblocks": "1",
    }
    return made


BAD: dict[str, list[tarfile.TarInfo | tuple[str, bytes]]] = {
    "above": [("a/../../outside", b"x")],
    "absolute": [("/nestflow-outside", b"x")],
    "symbolic": [entry("a", tarfile.SYMTYPE, "/"), ("a/nestflow-outside", b"x")],
    "inner symbolic": [("b", b"x"), entry("a", tarfile.SYMTYPE, "b")],
    "hard, outside": [entry("a", tarfile.LNKTYPE, "/etc/passwd")],
    "hard, above": [entry("a", tarfile.LNKTYPE, "../../outside")],
    "hard, not there yet": [entry("a", tarfile.LNKTYPE, "b"), ("b", b"x")],
    "device": [entry("a", tarfile.CHRTYPE)],
    "fifo": [entry("a", tarfile.FIFOTYPE)],
    "twice": [("a", b"x"), ("a", b"y")],
    "itself": [(".", b"x")],
    "many empty": [("a", b"x"), *(entry(f"more/{number}", tarfile.REGTYPE) for number in range(20_000))],
    "sparse": [sparse("a", 1 << 28), ("a", b"x")],
}


@pytest.mark.parametrize("kind", BAD)
def test_entries_that_are_not_allowed(tmp_path: Path, unpack: Unpack, kind: str) -> None:
    archive = packed(tmp_path / "thing.tar.gz", BAD[kind]).changed(unpacked=1 << 20)
    worked, error = unpack(archive, tmp_path / "place" / "cache")
    assert not worked
    assert "has an entry that is not allowed" in error
    assert str(archive.path) in error
    assert not (tmp_path / "place" / "cache" / "thing").exists()
    assert not list(tmp_path.rglob("*outside*"))
    # Nor was more than this written.
    left = list((tmp_path / "place" / "cache").rglob("*"))
    assert len(left) < 10 and sum(path.stat().st_size for path in left) < 1 << 20
    assert not os.path.exists("/nestflow-outside")


def test_a_bomb(tmp_path: Path, unpack: Unpack) -> None:
    bomb = packed(tmp_path / "bomb.tar.gz", [("small", b"x"), ("large", bytes(50 << 20))])
    worked, error = unpack(bomb.changed(unpacked=1000), tmp_path / "cache")
    assert not worked
    assert "holds more than the 1000 bytes of its manifest" in error
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.stat().st_size > 1 << 20]


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to(
    archive: Archive, tmp_path: Path, unpack: Unpack, mode: int
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    worked, error = unpack(archive, tmp_path / "cache")
    assert not worked
    assert f"others may write to {tmp_path / 'cache'}" in error


def test_an_environment_where_others_may_read(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    (tmp_path / "cache").mkdir(0o755)
    assert unpack(archive, tmp_path / "cache")[0]
    private = archive.changed(name="environment-x")
    worked, error = unpack(private, tmp_path / "cache")
    assert not worked
    assert f"others may read {tmp_path / 'cache'}: an environment needs one with the rights 0700" in error
    (tmp_path / "cache").chmod(0o700)
    assert unpack(private, tmp_path / "cache")[0]


def test_a_folder_that_is_a_link(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    assert not unpack(archive, tmp_path / "cache")[0]


@pytest.mark.parametrize("seed", range(REPETITIONS))
def test_processes_that_race_and_are_killed(tmp_path: Path, classes: Path, seed: int) -> None:
    chance = random.Random(seed)
    archive = packed(tmp_path / "thing.tar.gz", FILES)
    cache = tmp_path / "cache"
    unpackers = [Unpacker(classes) for _ in range(3)]
    # Whoever is killed is in the midst of it, or waits for one that is.
    chance.shuffle(unpackers)
    for unpacker in unpackers:
        unpacker.begin(archive, cache)
    time.sleep(chance.uniform(0, 0.6))
    unpackers[0].kill()
    for unpacker in unpackers[1:]:
        assert unpacker.end() == (True, str(cache / "thing"))
        unpacker.kill()
    assert is_whole(cache / "thing", FILES)
    assert sorted(path.name for path in cache.iterdir()) == ["thing", "thing.lock", "thing.mark"]


def test_what_a_killed_process_left(archive: Archive, tmp_path: Path, unpack: Unpack) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(0o700)
    (cache / "thing.part" / "a").mkdir(parents=True)
    (cache / "thing.part" / "a" / "b").write_bytes(b"half")
    (cache / "thing.archive").write_bytes(b"half")
    (cache / "thing").mkdir()  # as if moved without its list
    assert unpack(archive, cache)[0]
    assert sorted(path.name for path in cache.iterdir()) == ["thing", "thing.lock", "thing.mark"]
    assert is_whole(cache / "thing", [("a/b", b"one"), ("e", b"two")])
