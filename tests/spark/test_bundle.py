"""Executors on machines with neither this package nor any Python: what they need comes in the bundle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

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

conf, store = json.loads(sys.argv[1]), sys.argv[2]


def square(**options):
    options |= {"progress": False, "spark_conf": conf, "tmp_data_path": f"file://{store}"}
    p = nf.Pipeline.create("spark", **options)
    try:
        return p.parallelize([2]).map(lambda x: x * x).get()
    except nf.errors.NestflowRuntimeException as error:
        return str(error)
    finally:
        p.close()


answers = [square()]
(archive,), (manifest,) = (pathlib.Path(store).glob(f"*/nestflow-*.{end}") for end in ("tar.gz", "json"))
whole, said = archive.read_bytes(), json.loads(manifest.read_text())
manifest.write_text(json.dumps({**said, "glibc": "9.9"}))
answers.append(square())
archive.write_bytes(whole[:-5])
answers += [square(), square(reprepare_cache_archive=True), archive.read_bytes() == whole]
answers += [json.loads(manifest.read_text()) == said, str(archive)]
print("answer", json.dumps(answers))
"""


def run(tmp_path: Path, store: str, program: str = PROGRAM) -> list[Any]:
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("chmod", "sh", "bash", "id", "ls", "whoami", "groups", "mkdir", "rm", "ln", "readlink"):
        (bare / tool).symlink_to(str(shutil.which(tool)))
    conf = {
        **CONF,
        "spark.executorEnv.PATH": str(bare),
        "spark.nestflow.bundle.folder": str(tmp_path / "nodes" / "{user}"),
    }
    (tmp_path / "job.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"}
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "job.py"), json.dumps(conf), store],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**environment, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("answer "))
    answers: list[Any] = json.loads(line.removeprefix("answer "))
    return answers


def test_everything_comes_in_the_bundle(tmp_path: Path) -> None:
    first, second = run(tmp_path, str(tmp_path / "store"))
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
    assert sorted(path.name for path in cache.iterdir()) == [name, f"{name}.lock"]


def test_what_cannot_be_run(tmp_path: Path) -> None:
    whole, too_new, cut, again, same, manifest, archive = run(tmp_path, str(tmp_path / "store"), DAMAGE)
    assert whole == again == [4]
    assert (
        "the interpreter that came with the job needs glibc 9.9 or newer, and this machine has 2." in too_new
    )
    assert f"{archive} is damaged: it has " in cut and "reprepare_cache_archive=True makes it anew" in cut
    assert same and manifest
