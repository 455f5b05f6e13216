"""Executors on machines with neither this package nor any Python: what they need comes in the bundle."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import bare
from on_spark import CONF

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json, os, sys

import nestflow as nf


def where(number):
    import shutil, ssl, sys
    import cloudpickle
    import nestflow
    return [shutil.which("python3"), sys.executable, sys.path, nestflow.__file__, cloudpickle.__file__]


def look(folder):
    files = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
    return {path: (os.stat(path).st_ino, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in files}


conf, store = json.loads(sys.argv[1]), sys.argv[2]
answers = []
for _ in range(2):
    p = nf.Pipeline.create("spark", progress=False, spark_conf=conf, tmp_data_path=store and f"file://{store}")
    words = p.parallelize(["a", "b", "a"] * 1000)
    counts = words.group_by(lambda word: word).apply_values(lambda group: group.count())
    answers.append([sorted(counts.get().items()), p.parallelize([1]).map(where).get()[0], look(store)])
    p.close()
print("answer", json.dumps(answers))
"""


DAMAGE = """
import json, pathlib, sys

import nestflow as nf
from nestflow.bundle import product
from nestflow.bundle.publish import publish
from nestflow.bundle.store import Local

conf, store, chance = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3])


def square(**options):
    options |= {"progress": False, "spark_conf": conf, "tmp_data_path": f"file://{store}"}
    p = nf.Pipeline.create("spark", **options)
    try:
        return p.parallelize([2]).map(lambda x: x * x).get()
    except nf.errors.NestflowRuntimeException as error:
        return str(error)
    finally:
        p.close()


bundle = product.bundle()
publish(Local(store), str(bundle.facts["version"]), bundle)
(archive,), (manifest,) = (pathlib.Path(store).glob(f"*/nestflow-*.{end}") for end in ("tar.gz", "json"))
whole, said = archive.read_bytes(), json.loads(manifest.read_text())
# Of the right size, so that only those who read it can tell.
flipped = bytearray(whole)
flipped[int(len(flipped) * chance)] ^= 1
archive.write_bytes(flipped)
answers = [square(), square(reprepare_cache_archive=True), archive.read_bytes() == whole]
manifest.write_text(json.dumps({**said, "glibc": "9.9"}))
answers.append(square())
archive.write_bytes(whole[:-5])
answers += [square(), str(archive)]
print("answer", json.dumps(answers))
"""


LOGS = """
import nestflow as nf

p = nf.Pipeline.create("spark", progress=False)
print(p.parallelize([2]).map(lambda x: x * x).get())
p.close()
"""


def test_the_log_of_the_driver_says_what_runs(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (tmp_path / "app.py").write_text(LOGS)
    line = [f"--tmp-data-path=file://{tmp_path}/store", f"--python-env={tmp_path}/venv"]
    line += [f"--conf={key}={value}" for key, value in CONF.items()]
    ended = subprocess.run(
        [sys.executable, "-m", "nestflow", "submit", *line, str(tmp_path / "app.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0 and "[4]" in ended.stdout.splitlines(), ended.stderr[-5000:]
    for kind in ("nestflow", "environment"):
        (manifest,) = (tmp_path / "store").glob(f"*/{kind}-*.json")
        says = json.loads(manifest.read_text())
        (line,) = (line for line in ended.stderr.splitlines() if f"executors run {kind}-" in line)
        assert f"INFO spark: executors run {says['name']} (" in line
        assert f"sha256 {says['sha256']}" in line and " bytes uploaded" in line


def test_everything_comes_in_the_bundle(tmp_path: Path) -> None:
    first, second = bare.run(tmp_path, PROGRAM, str(tmp_path / "store"))
    assert first[0] == second[0] == [["a", 2000], ["b", 1000]]
    (archive,) = (tmp_path / "store").glob("*/*.tar.gz")
    name = archive.name.removesuffix(".tar.gz")
    python, program, path, *modules = first[1]
    assert python is None
    assert f"/{name}/python/bin/python" in program
    assert [place for place in [*path, *modules] if f"/{name}/" not in place] == []
    # The second job finds all of it, on the file system and on the machines.
    assert first[2] == second[2]
    assert sorted(path.suffix for path in archive.parent.iterdir()) == [".gz", ".json"]
    (cache,) = (tmp_path / "nodes").iterdir()
    assert sorted(path.name for path in cache.iterdir()) == [name, f"{name}.lock", f"{name}.mark"]


def test_what_cannot_be_run(tmp_path: Path) -> None:
    # The seed says which of its bits is another one.
    chance = str(random.Random(7).random())
    flipped, again, same, too_new, cut, archive = bare.run(tmp_path, DAMAGE, str(tmp_path / "store"), chance)
    assert f"{archive} is damaged: its SHA-256 is " in flipped
    assert again == [4] and same
    assert (
        "the interpreter that came with the job needs glibc 9.9 or newer, and this machine has 2." in too_new
    )
    assert f"{archive} is damaged: it has " in cut and "reprepare_cache_archive=True makes it anew" in cut
