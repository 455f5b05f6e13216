package nestflow.spark;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How fast blocks cross between the JVM and native code: the calls of {@link Native} that carry them, by the
 * processor time of the calling thread, and beside them what a direct buffer would cost for the same blocks on
 * this side alone: by arrays of their own, or piece by piece through one that is used again. Two tasks: one gives
 * the blocks of literal data, the other takes them and gives them again.
 */
final class Bridge {
  private static final int ROUNDS = 9, PIECE = 64 << 10;
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private static long bytes, taking, pushing;

  public static void main(String[] arguments) throws Exception {
    Path folder = Paths.get(arguments[0]);
    System.load(arguments[1]);
    byte[] giver = read(folder, "giver-stage"), given = read(folder, "giver-task");
    byte[] passer = read(folder, "passer-stage"), passed = read(folder, "passer-task");
    double[][] rates = new double[6][ROUNDS];
    List<byte[]> blocks = List.of();
    for (int round = 0; round < ROUNDS; round++) {
      bytes = taking = pushing = 0;
      blocks = run(giver, given, List.of(), folder);
      run(passer, passed, blocks, folder);
      rates[0][round] = rate(bytes, taking);
      rates[1][round] = rate(blocks.stream().mapToLong(block -> block.length).sum(), pushing);
      rates[2][round] = direct(blocks, true, Integer.MAX_VALUE);
      rates[3][round] = direct(blocks, false, Integer.MAX_VALUE);
      rates[4][round] = direct(blocks, true, PIECE);
      rates[5][round] = direct(blocks, false, PIECE);
    }
    long all = blocks.stream().mapToLong(block -> block.length).sum();
    System.out.printf("blocks %d, bytes %d%n", blocks.size(), all);
    String[] names = {
      "out: take into a new array",
      "in: push of an array",
      "a direct buffer: put alone",
      "a direct buffer: get alone",
      "put, in pieces",
      "get, in pieces"
    };
    for (int kind = 0; kind < names.length; kind++) {
      Arrays.sort(rates[kind]);
      System.out.printf("%-28s %6.2f GB/s (median of %d rounds)%n", names[kind], rates[kind][ROUNDS / 2], ROUNDS);
    }
  }

  /** Runs a task to its end; its first input is the blocks, the others are empty. */
  private static List<byte[]> run(byte[] stage, byte[] task, List<byte[]> blocks, Path folder) {
    long handle = Native.create(stage, task, folder.toString(), 1, 4L << 30, null, null);
    List<byte[]> out = new ArrayList<>();
    long[] answer = new long[2];
    for (int kind; (kind = Native.step(handle, answer)) != Native.DONE; ) {
      if (kind == Native.NEED) {
        if (answer[0] == 0) {
          long began = now();
          for (byte[] block : blocks) Native.push(handle, 0, block);
          pushing += now() - began;
        }
        Native.push(handle, (int) answer[0], null);
      } else if (kind == Native.BLOCK) {
        long began = now();
        byte[] block = new byte[(int) answer[1]];
        Native.take(handle, block);
        taking += now() - began;
        bytes += block.length;
        if (answer[0] != Native.COUNTS) out.add(block);
      }
    }
    Native.close(handle);
    return out;
  }

  /** Copies blocks into one direct buffer, again and again, or out of it into new arrays or a small one. */
  private static double direct(List<byte[]> blocks, boolean in, int piece) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(blocks.stream().mapToInt(block -> block.length).max().getAsInt());
    byte[] again = new byte[PIECE];
    long all = 0, began = now();
    for (byte[] block : blocks) {
      buffer.clear();
      byte[] array = piece < block.length ? again : in ? block : new byte[block.length];
      for (int rest = block.length, part; rest > 0; rest -= part) {
        part = Math.min(rest, array.length);
        if (in) buffer.put(array, 0, part);
        else buffer.get(array, 0, part);
      }
      all += block.length;
    }
    return rate(all, now() - began);
  }

  private static long now() {
    return THREADS.getCurrentThreadCpuTime();
  }

  private static double rate(long bytes, long nanoseconds) {
    return bytes / (double) nanoseconds;
  }

  private static byte[] read(Path folder, String name) throws Exception {
    return Files.readAllBytes(folder.resolve(name));
  }
}
