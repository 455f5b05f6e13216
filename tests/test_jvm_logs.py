"""What is found in the logs of JVMs that check native calls."""

from __future__ import annotations

from jvm_logs import complaints

JAVAS_OWN = """<writer thread='1'/>
WARNING: JNI local refs: 33, exceeds capacity: 32
\tat java.lang.System.initProperties(java.base@17/Native Method)
\tat nestflow.spark.Library$.load(Library.scala:40)
WARNING in native method: JNI call made without checking exceptions when required to from CallObjectMethodV
\tat sun.nio.fs.UnixNativeDispatcher.init(java.base@17/Native Method)
"""

OF_A_TASK = """WARNING in native method: JNI call made with exception pending
\tat nestflow.spark.Native.step(Native Method)
\tat nestflow.spark.TaskIterator.advance(TaskIterator.scala:60)
"""

OF_A_NATIVE_THREAD = """WARNING in native method: JNI call made without checking exceptions
Native frames: (J=compiled Java code, j=interpreted, Vv=VM code, C=native code)
V  [libjvm.so+0x8d8b8e]  functionEnter(JavaThread*)+0x12e
V  [libjvm.so+0x8ee203]  checked_jni_FindClass+0x63
C  [nestflow-123456.so+0x12fe]  nestflow_jni::files::copy+0xf3
"""


def test_what_is_said_of_others_is_nothing_to_us() -> None:
    assert complaints(JAVAS_OWN) == []


def test_what_is_said_of_us_is_found() -> None:
    found = complaints(JAVAS_OWN + OF_A_TASK + "<writer thread='2'/>\n" + OF_A_NATIVE_THREAD)
    assert len(found) == 2
    assert "exception pending" in found[0]
    assert "nestflow_jni::files::copy" in found[1]


def test_a_call_that_ended_the_jvm_is_found() -> None:
    fatal = "FATAL ERROR in native method: Using JNIEnv in the wrong thread\n" + OF_A_TASK.split("\n", 1)[1]
    assert len(complaints(fatal)) == 1
