"""What JVMs with `-Xcheck:jni` say of our native code: each writes a log, read after the tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.gettempdir(), f"nestflow-jvms-{os.getpid()}")
"""Where the JVMs of this process write; whoever starts them makes it."""

OPTIONS = (
    "-Xcheck:jni -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions "
    f"-XX:+LogVMOutput -XX:LogFile={FOLDER}/%p.log"
)
"""Calls are checked, and what the JVM itself says goes to a file too; short jobs are faster without C2."""

BEGINNINGS = "WARNING in native method", "WARNING: JNI", "FATAL ERROR in native method"

OURS = "\tat nestflow.", "\tat org.apache.spark.nestflow.", "C  [nestflow-", "C  [libnestflow"
"""How the first frame of a call by our native code begins: the library is loaded under its own name."""


def complaints(text: str) -> list[str]:
    """Give what a log says of calls by our native code."""
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        if line.startswith(BEGINNINGS):
            frames = [each for each in lines[number + 1 : number + 8] if each.startswith(("\tat ", "C  ["))]
            if frames and frames[0].startswith(OURS):
                found.append("\n".join(lines[number : number + 8]))
    return found


def all_complaints() -> list[str]:
    """Give what all logs say."""
    logs = [log.read_text(errors="replace") for log in sorted(FOLDER.glob("*.log"))]
    return [complaint for log in logs for complaint in complaints(log)]
