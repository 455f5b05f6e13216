"""Secrets of a job stand in no log, plan, event, error or archive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

from on_spark import CONF

SECRETS = {
    place: f"planted{uuid.uuid4().hex}" for place in ("spark_conf", "hadoop_conf", "path", "environment")
}

PROGRAM = """
import json, os, sys, logging
from urllib.request import urlopen
import nestflow as nf

logging.basicConfig(level=logging.DEBUG)
logging.getLogger("py4j").setLevel(logging.INFO)  # at DEBUG, it tells every word between Python and the JVM
conf, secrets, folder = json.load(sys.stdin)
hadoop = {"fs.s3a.secret.key": secrets["hadoop_conf"], "dfs.client.password": secrets["hadoop_conf"]}
p = nf.Pipeline.create(
    "spark", spark_conf=conf, hadoop_conf=hadoop, tmp_data_path=f"file://{folder}/store", progress=True
)
words = p.read(nf.TextFile(f"file://{folder}/in.txt")).flat_map(str.split)
counts = words.group_by(lambda word: word).apply_values(lambda group: group.count())
print(p.explain(), p.explain(code=True))
p.write(counts.flatten().map(str), nf.output.TextFile(f"file://{folder}/out"))
p.run()
print(p.last_run)


def failed(make):
    try:
        make().get()
    except Exception as error:
        import traceback
        traceback.print_exc()
        print(type(error).__name__, error, getattr(error, "__notes__", None))
        return
    raise AssertionError("it did not fail")


failed(lambda: words.map(lambda word: 1 // 0))
# Another file system than the one that there is, so that Hadoop's own text is in the error.
failed(lambda: p.read(nf.TextFile(f"hdfs://user:{secrets['path']}@127.0.0.1:1/in.txt")))
failed(lambda: p.read(nf.TextFile(f"s3a://user:{secrets['path']}@bucket/in.txt")))
# What people see in the UI, and programs by its interface.
context = p._engine._context
api = f"api/v1/applications/{context.applicationId}"
pages = ["jobs/", "stages/", "storage/", "environment/", "executors/", api]
pages += [f"{api}/{each}" for each in ("environment", "jobs", "stages", "allexecutors", "storage/rdd")]
os.mkdir(f"{folder}/ui")
for number, page in enumerate(pages):
    with urlopen(f"{context.uiWebUrl}/{page}") as answer, open(f"{folder}/ui/{number}", "wb") as file:
        file.write(answer.read())
p.close()
for wrong in (secrets["hadoop_conf"], [secrets["hadoop_conf"]]):
    for option in ("hadoop_conf", "spark_conf"):
        try:
            nf.Pipeline.create("spark", **{option: wrong})
        except ValueError as error:
            print(error)
print("done")
"""


def test_what_is_planted_is_found_nowhere(tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.mkdir()
    (tmp_path / "in.txt").write_text("to be or not to be\n" * 100)
    conf = {
        **CONF,
        "spark.hadoop.fs.s3a.secret.key": SECRETS["spark_conf"],
        "spark.ssl.keyStorePassword": SECRETS["spark_conf"],
        "spark.executorEnv.SERVICE_PASSWORD": SECRETS["environment"],
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{events}",
        "spark.nestflow.bundle.folder": str(tmp_path / "nodes" / "{user}"),
        "spark.ui.enabled": "true",
        "spark.ui.port": "0",
    }
    before = set(_work())
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([conf, SECRETS, str(tmp_path)]),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(_made(tmp_path / "tmp"))},
    )
    # The JVM, which checks calls, says something there too.
    assert ended.returncode == 0 and "done" in ended.stdout.splitlines(), ended.stderr[-5000:]
    artefacts = {"standard output": ended.stdout.encode(), "standard error": ended.stderr.encode()}
    for path in [*tmp_path.rglob("*"), *(set(_work()) - before)]:
        if path.is_file():
            artefacts[str(path)] = path.read_bytes()
    assert any("events" in name for name in artefacts)  # it was looked at
    shown = b"".join(content for name, content in artefacts.items() if "/ui/" in name)
    for name in ("fs.s3a.secret.key", "spark.executorEnv.SERVICE_PASSWORD", "count"):
        assert name.encode() in shown, name
    leaks = [
        f"{where} in {name}"
        for name, content in artefacts.items()
        for where, secret in SECRETS.items()
        if secret.encode() in content
    ]
    assert leaks == []


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _work() -> list[Path]:
    """What the executors of a local cluster leave."""
    home = os.environ.get("SPARK_HOME")
    return [] if home is None else [path for path in Path(home, "work").rglob("*") if path.suffix != ".jar"]
