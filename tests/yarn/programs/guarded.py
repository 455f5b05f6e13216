"""Reads and writes where Kerberos says who may; says with what its nodes could log in.

The arguments: a folder, the command of Hadoop's client on the nodes, and options of the pipeline.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nestflow as nf

folder, client, options = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])


def holds(_: int) -> dict[str, object]:
    """What is on a node."""
    variables: dict[str, str] = {}
    commands, process = "", os.getpid()
    # From here up to the executor, or the driver, which its node has started.
    while "org.apache.spark" not in commands:
        at = Path(f"/proc/{process}")
        pairs = [entry.partition("=") for entry in (at / "environ").read_text().split("\0") if entry]
        variables |= {name: value for name, _, value in pairs}
        commands += (at / "cmdline").read_text()
        process = int((at / "stat").read_text().rpartition(")")[2].split()[1])
    token = variables.pop("HADOOP_TOKEN_FILE_LOCATION")

    def listed(**more: str) -> str:
        command = [*client, "-ls", folder]
        around = {**variables, **more}
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=around)
        return ended.stdout if ended.returncode == 0 else ended.stderr

    return {
        "kerberos": sorted(name for name in variables if name.startswith("KRB5")),
        "keytab": "keytab" in commands,
        "ticket": Path(f"/tmp/krb5cc_{os.getuid()}").exists(),
        "without": listed(),
        "with": listed(HADOOP_TOKEN_FILE_LOCATION=token),
    }


p = nf.Pipeline.create("spark", **options)
p.write(p.parallelize([f"word{number % 7}" for number in range(20_000)]), nf.output.TextFile(f"{folder}/in"))
p.run()
counts = p.read(nf.TextFile(f"{folder}/in")).group_by(lambda word: word).apply_values(nf.transforms.count)
p.write(counts.flatten().map(lambda pair: f"{pair[0]} {pair[1]}"), nf.output.TextFile(f"{folder}/out"))
p.run()
print("nodes:", json.dumps(p.parallelize([1]).map(holds).get()[0]))
