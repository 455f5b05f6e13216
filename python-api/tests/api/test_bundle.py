"""Bundles without Spark: their bytes, and how they come to where all machines find them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nestflow.bundle import archive, elf, interpreter, prepared, product
from nestflow.bundle.product import FOLDER, LIBRARY, PACKAGE, SITE, platform_tag
from nestflow.bundle.publish import publish
from nestflow.bundle.store import Local
from nestflow.bundle.tree import Tree
from nestflow.engine.spark import archives
from nestflow.errors import NestflowRuntimeException

REPETITIONS = int(os.environ.get("NESTFLOW_REPETITIONS", "2"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def files(folder: Path, size: int = 100_000) -> Path:
    chance = random.Random(5)
    for name in ("b/two", "a", "b/one", "b/one again"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size) if "one" not in name else b"one" * 1000)
    (folder / "a").chmod(0o755)
    return folder


def thing(folder: Path) -> prepared.Prepared:
    tree = Tree()
    tree.add_folder("", str(folder))
    return prepared.prepare("thing", "system", tree, None, {"version": "1"})


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        folder = files(tmp_path / name)
        os.utime(folder / "a", (1, 1))
        os.environ["XDG_CACHE_HOME"] = str(tmp_path / name / "cache of it")
        made.append(thing(folder))
    first, second = (each.archive() for each in made)
    assert made[0].name == made[1].name
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()
    assert (first.sha256, first.bytes) == (second.sha256, Path(first.path).stat().st_size)
    with tarfile.open(first.path) as opened:
        entries = {entry.name: (entry.mode, entry.mtime, entry.uid, entry.linkname) for entry in opened}
    assert list(entries) == [archive.LIST, "a", "b/one", "b/one again", "b/two"]
    assert entries["a"] == (0o755, 0, 0, "")
    assert entries["b/one again"] == (0o644, 0, 0, "b/one")


@pytest.mark.parametrize("change", ["byte", "name", "right"])
def test_other_files_have_another_name(tmp_path: Path, change: str) -> None:
    folder = files(tmp_path / "files")
    before = thing(folder).name
    if change == "byte":
        (folder / "b" / "two").write_bytes((folder / "b" / "two").read_bytes()[:-1] + b"!")
    elif change == "name":
        (folder / "a").rename(folder / "c")
    else:
        (folder / "a").chmod(0o644)
    assert thing(folder).name != before


def test_files_that_change_while_they_are_packed(tmp_path: Path) -> None:
    folder = files(tmp_path / "files")
    found = thing(folder)
    (folder / "a").write_bytes(b"other")
    with pytest.raises(ValueError, match="have changed while it was made"):
        found.archive()


def test_it_is_put_once(tmp_path: Path) -> None:
    found, store = thing(files(tmp_path / "files")), Local(f"file://{tmp_path / 'above' / 'a store'}")
    first = publish(store, "1", found)
    path = tmp_path / "above" / "a store" / "1" / f"{found.name}.tar.gz"
    manifest = json.loads(path.with_name(f"{found.name}.json").read_text())
    assert first.uploaded == path.stat().st_size + path.with_name(f"{found.name}.json").stat().st_size
    assert first.manifest == manifest
    assert manifest["version"] == "1"
    second = publish(store, "1", found)
    assert second.uploaded == 0
    assert second[:3] == first[:3]
    assert path.stat().st_mode & 0o777 == 0o644
    # Others put theirs there too, but cannot remove this one.
    assert [path.parents[up].stat().st_mode & 0o7777 for up in (0, 1)] == [0o1777, 0o1777]
    assert path.parents[2].stat().st_mode & 0o7777 == 0o755


def test_what_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        publish(Local(str(tmp_path / "store"), private=True), "x/y", thing(files(tmp_path / "files")))
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "store").rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in (tmp_path / "store").rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


def test_a_user_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    found = thing(files(tmp_path / "files"))
    named = found._replace(facts={**found.facts, "environment": "env"})
    needs = archives.Needs(found, named, None)
    archives.put_in(str(tmp_path / "store"), "env", needs, False, Local)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [
        "1",
        f"environments-{os.getuid()}",
    ]


@pytest.mark.parametrize("damage", ["cut", "manifest", "no manifest", "no archive"])
def test_damage_in_the_store(tmp_path: Path, damage: str) -> None:
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    publish(store, "1", found)
    path = tmp_path / "store" / "1" / f"{found.name}.tar.gz"
    manifest = path.with_name(f"{found.name}.json")
    whole, said = path.read_bytes(), manifest.read_bytes()
    if damage == "no archive":
        path.unlink()
        assert publish(store, "1", found).uploaded == len(whole)
    else:
        named = path
        if damage == "manifest":
            named = manifest
            manifest.write_text('{"half')
        else:
            path.write_bytes(whole[:-5])
            if damage == "no manifest":
                manifest.unlink()
        with pytest.raises(
            NestflowRuntimeException, match=r"is damaged: .* reprepare_cache_archive=True"
        ) as caught:
            publish(store, "1", found)
        assert str(named) in str(caught.value)
        publish(store, "1", found, again=True)
    assert (path.read_bytes(), manifest.read_bytes()) == (whole, said)
    assert publish(store, "1", found).uploaded == 0


def test_a_manifest_that_is_there_before_its_archive(tmp_path: Path) -> None:
    """Whoever may put files can guess its name, and what the archive is going to be."""
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    publish(store, "1", found)
    (tmp_path / "store" / "1" / f"{found.name}.tar.gz").unlink()
    path = tmp_path / "store" / "1" / f"{found.name}.json"
    said = path.read_text()
    path.write_text(json.dumps({**json.loads(said), "key": "x; touch ran"}))
    with pytest.raises(NestflowRuntimeException, match=r"is damaged: its key is 'x; touch ran'"):
        publish(store, "1", found)
    publish(store, "1", found, again=True)
    assert path.read_text() == said


@pytest.mark.parametrize("what", ["key", "library", "unpacked", "files", "program", "sha256", "bytes"])
def test_a_manifest_that_says_something_else(tmp_path: Path, what: str) -> None:
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    publish(store, "1", found)
    path = tmp_path / "store" / "1" / f"{found.name}.json"
    said = path.read_text()
    path.write_text(json.dumps({**json.loads(said), what: "of somebody else"}))
    with pytest.raises(NestflowRuntimeException, match=rf"is damaged: its {what} is 'of somebody else'"):
        publish(store, "1", found)
    publish(store, "1", found, again=True)
    assert path.read_text() == said


def test_a_private_folder_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"), private=True)
    folder = tmp_path / "store" / "mine"

    def refused(error: str) -> None:
        with pytest.raises(PermissionError, match=rf"file://{folder} holds what only this user .*{error}"):
            publish(store, "mine", found)
        with pytest.raises(PermissionError, match=error):
            store.put("mine/other", b"x")

    folder.mkdir(parents=True)
    for mode, rights in (0o755, "drwxr-xr-x"), (0o770, "drwxrwx---"):
        folder.chmod(mode)
        refused(rights)
    assert list(folder.iterdir()) == []
    folder.chmod(0o700)
    assert publish(store, "mine", found).uploaded
    with monkeypatch.context() as other:
        other.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
        refused(f"belongs to {folder.stat().st_uid} ")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    refused("lrwxrwxrwx")
    # What is for all need not be this user's.
    assert publish(Local(str(tmp_path / "store")), "mine", found).uploaded == 0


@pytest.mark.parametrize("seed", range(REPETITIONS))
@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_damage_is_noticed_wherever_it_is(tmp_path: Path, damage: str, seed: int) -> None:
    chance = random.Random(f"{damage} {seed}")
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    manifest = publish(store, "1", found).manifest
    path = tmp_path / "store" / "1" / f"{found.name}.tar.gz"
    whole = path.read_bytes()
    broken = bytearray(whole)
    if damage == "bit":
        broken[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    else:
        del broken[chance.randrange(1, len(whole)) if damage == "cut" else 0 :]
    path.write_bytes(broken)
    # Nodes compare the hash before they read anything of it.
    assert store.digest(f"1/{found.name}.tar.gz") != manifest["sha256"]
    assert cli("verify", str(tmp_path / "store")) == (1, [f"1/{found.name}.tar.gz\tdamaged"])
    if damage != "bit":
        with pytest.raises(NestflowRuntimeException, match=rf"is damaged: it has {len(broken)} bytes"):
            publish(store, "1", found)
    # Without the manifest, as a killed client leaves it, it is read.
    path.with_name(f"{found.name}.json").unlink()
    with pytest.raises(NestflowRuntimeException, match="is damaged: its content is not what its name says"):
        publish(store, "1", found)
    publish(store, "1", found, again=True)
    assert path.read_bytes() == whole


def test_what_a_killed_client_has_left(tmp_path: Path) -> None:
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    folder = tmp_path / "store" / "1"
    folder.mkdir(parents=True)
    young, old = folder / ".nestflow-young", folder / ".nestflow-old"
    for left in (young, old):
        left.write_bytes(b"half of an archive")
    os.utime(old, (1, 1))
    assert publish(store, "1", found).uploaded > 0
    # Somebody may still write to the young one.
    names = {path.name for path in folder.iterdir()}
    assert names == {young.name, f"{found.name}.tar.gz", f"{found.name}.json"}
    assert cli("verify", str(tmp_path / "store")) == (0, [f"1/{found.name}.tar.gz\tgood"])


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    first = publish(store, "1", found)
    assert store.digest(f"1/{found.name}.tar.gz") == first.manifest["sha256"]
    assert publish(store, "1", found).uploaded == 0
    assert not store.put(f"1/{found.name}.tar.gz", b"something else")
    assert store.digest(f"1/{found.name}.tar.gz") == first.manifest["sha256"]
    assert len(store.names()) == 2


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    found, store = thing(files(tmp_path / "files")), Local(str(tmp_path / "store"))
    with monkeypatch.context() as other:
        other.setattr(os, "link", full)
        with pytest.raises(OSError, match="No space left"):
            publish(store, "1", found)
    assert store.names() == []
    assert publish(store, "1", found).uploaded > 0


PUT = """
import sys
sys.path.insert(0, sys.argv[3])
import test_bundle
from pathlib import Path
found = test_bundle.thing(Path(sys.argv[1]))
print("ready", flush=True)
test_bundle.publish(test_bundle.Local(sys.argv[2]), "1", found)
"""


@pytest.mark.parametrize("seed", range(REPETITIONS))
def test_clients_that_race_and_are_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder, store = files(tmp_path / "files", 20_000_000), tmp_path / "store"
    command = [sys.executable, "-c", PUT, str(folder), str(store), str(Path(__file__).parent)]
    clients = []
    for number in range(3):
        # Each is on a machine of its own.
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / f"cache{number}")}
        clients.append(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment))
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
    found = thing(folder)
    path, read, over = store / "1" / f"{found.name}.tar.gz", set(), threading.Event()

    def reader() -> None:
        """A machine that looks while others put it."""
        last = False
        while not last:
            last = over.is_set()
            with suppress(FileNotFoundError):
                read.add(hashlib.sha256(path.read_bytes()).hexdigest())

    looking = threading.Thread(target=reader)
    looking.start()
    time.sleep(chance.uniform(0, 1.5))
    clients[0].send_signal(signal.SIGKILL)
    assert [client.wait() for client in clients[1:]] == [0, 0]
    clients[0].communicate()
    over.set()
    looking.join()
    again = publish(Local(str(store)), "1", found)
    assert again.uploaded == 0
    assert read == {again.manifest["sha256"]}
    assert Local(str(store)).digest(f"1/{found.name}.tar.gz") == again.manifest["sha256"]
    left = {path.name for path in (store / "1").iterdir()} - {f"{found.name}.tar.gz", f"{found.name}.json"}
    assert all(name.startswith(".nestflow-") for name in left)
    # Whoever puts something later than a day from now removes that.
    for name in left:
        os.utime(store / "1" / name, (1, 1))
    Local(str(store)).put("1/other", b"x")
    assert len(list((store / "1").iterdir())) == 3


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of these tests, moved."""
    folder = tmp_path_factory.mktemp("python")
    tree = Tree()
    interpreter.add_interpreter(tree, interpreter.ask(sys.executable))()
    with (folder / "archive").open("wb") as file:
        archive.pack(tree, archive.content(tree), file)
    with tarfile.open(folder / "archive") as opened:
        opened.extractall(folder / "elsewhere")
    return folder / "elsewhere"


def test_an_interpreter_runs_elsewhere(unpacked: Path) -> None:
    program = unpacked / interpreter.ask(sys.executable).inside
    say = (
        "import ctypes, hashlib, json, lzma, sqlite3, ssl, sys; "
        "maps = {line.split()[-1] for line in open('/proc/self/maps') if '/' in line}; "
        "print(json.dumps([sys.version, sys.prefix, sys.path[1:], sorted(maps)]))"
    )
    ended = subprocess.run([program, "-c", say], capture_output=True, text=True, check=False, env={})
    assert ended.returncode == 0, ended.stderr
    version, prefix, path, maps = json.loads(ended.stdout)
    assert version == sys.version
    assert prefix == str(unpacked / "python")
    assert all(place.startswith(prefix) for place in path)
    # But for glibc, nothing of this machine.
    others = [os.path.basename(name) for name in maps if not name.startswith(prefix) and ".so" in name]
    assert [name for name in others if not interpreter._OF_GLIBC.match(name)] == []


def test_programs_look_beside_themselves(tmp_path: Path) -> None:
    for name in (interpreter.ask(sys.executable).program, "/bin/ls"):
        data = Path(name).read_bytes()
        if not elf.is_elf(data):
            continue
        changed = elf.with_search(data, "$ORIGIN/../lib")
        before, after = elf.facts(data), elf.facts(changed)
        assert after.search == ["$ORIGIN/../lib"]
        assert after._replace(search=before.search) == before
        assert elf.facts(elf.with_search(changed, None)).search == []
        (tmp_path / "program").write_bytes(changed)
        (tmp_path / "program").chmod(0o755)
        environment = {**os.environ, "LD_LIBRARY_PATH": interpreter.ask(sys.executable).shared}
        subprocess.run([tmp_path / "program", "--version"], check=True, capture_output=True, env=environment)


def test_an_interpreter_that_is_none() -> None:
    with pytest.raises(ValueError, match="/bin/false is no interpreter that starts"):
        interpreter.ask("/bin/false")


def test_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = Path(prepared.folder())
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    assert thing(files(tmp_path / "files")).archive().path.startswith(str(folder))
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write to"):
        prepared.folder()


def test_use_is_marked(tmp_path: Path) -> None:
    store = tmp_path / "store"
    old, new = thing(files(tmp_path / "old")), thing(files(tmp_path / "new", 200_000))
    for each in (old, new):
        publish(Local(str(store)), "1", each)
    for path in (store / "1").glob(f"{old.name}*"):
        os.utime(path, (1, 1))

    class Others(Local):
        def mark(self, name: str) -> None:
            raise PermissionError(name)

    assert publish(Others(str(store)), "1", old).uploaded == 0
    assert publish(Local(str(store)), "1", old).uploaded == 0
    # The archive is as it was: node managers would take no other.
    assert (store / "1" / f"{old.name}.tar.gz").stat().st_mtime == 1
    assert cli("prune", str(store), "--older-than", "1", "--yes") == (0, [])
    assert (store / "1" / f"{old.name}.tar.gz").exists()


def cli(*arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "nestflow", "bundle", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()


def test_the_product_is_the_same_bytes_wherever_it_is_made(tmp_path: Path) -> None:
    made = []
    for machine in ("first", "second"):
        os.environ["XDG_CACHE_HOME"] = str(tmp_path / machine / "cache")
        status, (file, said) = cli("build", str(tmp_path / machine / "bundle.tar.gz"))
        assert (status, file) == (0, str(tmp_path / machine / "bundle.tar.gz"))
        made.append(said)
    first, second = (tmp_path / machine / "bundle.tar.gz" for machine in ("first", "second"))
    assert first.read_bytes() == second.read_bytes() and made[0] == made[1]
    assert (
        made[0] == f"{first.stat().st_size} bytes, SHA-256 {hashlib.sha256(first.read_bytes()).hexdigest()}"
    )
    with tarfile.open(first) as opened:
        names = opened.getnames()
    assert LIBRARY in names and f"{SITE}/nestflow/_host.abi3.so" in names
    assert any(name.startswith("python/bin/python3") for name in names)
    # As it is put: the manifest says what a machine must have.
    status, (uri, _) = cli("push", str(tmp_path / "store"))
    assert status == 0 and uri.endswith(f"/{product.bundle().name}.tar.gz")
    manifest = json.loads(Path(uri.removeprefix("file://").replace(".tar.gz", ".json")).read_text())
    assert manifest["name"].startswith(f"nestflow-{platform_tag()}-")
    assert manifest["python"] == sys.version.split()[0]
    newest = max(tuple(map(int, found)) for found in GLIBC.findall(needed_by(tmp_path, first)))
    assert tuple(int(part) for part in manifest["glibc"].split(".")) == newest
    # Machines that have an interpreter need no other one.
    (tmp_path / "second" / "bundle.tar.gz").write_bytes(b"an older one")
    status, (file, without) = cli("build", "--no-python", "--again", str(second))
    assert status == 0 and without != made[0]
    with tarfile.open(file) as opened:
        less = opened.getnames()
    assert set(less) < set(names) and not [name for name in less if name.startswith("python/")]
    # Into the cache, where it is found.
    status, (file, said) = cli("build", "--no-python")
    assert (status, said) == (0, without)
    assert Path(file).is_relative_to(tmp_path / "second" / "cache")
    assert cli("build", str(tmp_path / "no" / "folder"))[0] == 1


GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")


def needed_by(folder: Path, bundle: Path) -> bytes:
    """The names of all symbol versions in the programs of a bundle."""
    with tarfile.open(bundle) as opened:
        opened.extractall(folder / "unpacked")
    programs = [path for path in (folder / "unpacked").rglob("*") if path.is_file() and not path.is_symlink()]
    return b"".join(data for data in (path.read_bytes() for path in programs) if data[:4] == b"\x7fELF")


def test_commands(tmp_path: Path) -> None:
    store = tmp_path / "store"
    old, new = thing(files(tmp_path / "old")), None
    publish(Local(str(store)), "1", old)
    (tmp_path / "old" / "a").write_bytes(b"new")
    new = thing(tmp_path / "old")
    publish(Local(str(store)), "1", new)
    for path in (store / "1").glob(f"{old.name}*"):
        os.utime(path, (1, 1))
    assert cli("verify", str(store))[0] == 0
    names = sorted((f"1/{old.name}.tar.gz", f"1/{new.name}.tar.gz"))
    status, lines = cli("list", f"file://{store}")
    assert (status, [line.split("\t")[0] for line in lines]) == (0, names)
    gone = f"1/{old.name}.tar.gz"
    assert cli("prune", str(store), "--older-than", "1") == (0, [f"{gone}\twould be removed (--yes)"])
    path = store / "1" / f"{new.name}.tar.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert cli("verify", str(store)) == (1, sorted([f"1/{new.name}.tar.gz\tdamaged", f"{gone}\tgood"]))
    assert cli("prune", str(store), "--older-than", "1", "--yes") == (0, [f"{gone}\tremoved"])
    # The newest stays, however old.
    assert cli("prune", str(store), "--older-than", "-1", "--yes") == (0, [])
    assert sorted(path.name for path in (store / "1").iterdir()) == [f"{new.name}.json", f"{new.name}.tar.gz"]


@pytest.mark.skipif(
    platform_tag() not in ("linux-x86_64", "linux-aarch64"), reason="linked for old systems on these only"
)
def test_the_libraries_load_on_old_systems() -> None:
    libraries = [*PACKAGE.glob("_*.abi3.so"), *FOLDER.glob("*.so")]
    assert libraries
    for library in libraries:
        says = elf.facts(library.read_bytes())
        assert says.glibc <= (2, 17), library
        assert [name for name in says.needed if not interpreter._OF_GLIBC.match(name)] == [], library
