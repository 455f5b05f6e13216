"""Says what the nodes run, which comes from where the argument says."""

import json
import sys

import nestflow as nf


def where(_: int) -> list[str | None]:
    import shutil

    return [shutil.which("python3"), sys.executable, nf.__file__]


p = nf.Pipeline.create("spark", tmp_data_path=sys.argv[1])
print("where:", json.dumps(p.parallelize([1]).map(where).get()[0]))
