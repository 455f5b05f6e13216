package nestflow.spark;

import org.apache.spark.nestflow.TaskMemory;

/**
 * The native library's entry points, in the order of {@code jni-bridge/src/lib.rs}. A task is a
 * number; one that is closed has nothing more to give, one that never was is a {@link NativeError},
 * as is everything else that fails. */
final class Native {
  /** Nothing happened within the time of a step. */
  static final int NOTHING = 0;

  /** There is nothing more. */
  static final int DONE = 1;

  /** The task needs the input {@code answer[0]}. */
  static final int NEED = 2;

  /** A block of {@code answer[1]} bytes for channel {@code answer[0]} has to be taken. */
  static final int BLOCK = 3;

  /** Instead of a channel: the block is what user functions counted, in JSON. */
  static final int COUNTS = -1;

  private Native() {}

  static native String buildId();

  /**
   * Without files, a task reads and writes only those of its machine; without a lender, the process has
   * memory of its own. */
  static native long create(
      byte[] stage, byte[] task, String folder, int slots, long memory, Files files, TaskMemory lender);

  static native int step(long task, long[] answer);
  static native void take(long task, byte[] into);

  /** Gives a block of an input; null: there are no more. */
  static native void push(long task, int input, byte[] block);

  static native void cancel(long task);
  static native boolean close(long task);

  /** Rows in, rows out, bytes out, bytes spilled, nanoseconds that it waited for user functions. */
  static native void progress(long task, long[] into);

  /** Others are short of memory: gives up what is borrowed and unused, and says how much. Does not wait. */
  static native long press(long task);

  /** Open tasks of this process, the bytes that they have taken, and what native code has allocated. */
  static native void held(long[] into);
}
