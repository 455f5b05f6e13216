"""Says what its driver and its nodes run; the argument has options of the pipeline."""

import json
import logging
import shutil
import sys

import nestflow as nf

logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")


def runs(_: int) -> dict[str, object]:
    try:
        from tiny_thing import value
    except ImportError:
        value = None
    return {"python": shutil.which("python3"), "is": sys.executable, "nestflow": nf.__file__, "tiny": value}


p = nf.Pipeline.create("spark", **json.loads(sys.argv[1]))
print("nodes:", json.dumps(p.parallelize([1]).map(runs).get()[0]))
print("driver:", json.dumps(runs(0)))
settings = p._engine._context.getConf()  # type: ignore[attr-defined]
print("memory:", json.dumps(settings.get("spark.memory.offHeap.size")))
