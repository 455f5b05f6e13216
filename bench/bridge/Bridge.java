package nestflow.spark;

import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * How fast blocks cross between the JVM and native code: the calls of {@link Native} that carry them, timed, and
 * beside them what a direct buffer would cost for the same blocks. Two tasks: one gives the blocks of literal
 * data, the other takes them and gives them again.
 */
final class Bridge {
  private static final int ROUNDS = 9;

  private static long bytes, taking, pushing;

  public static void main(String[] arguments) throws Exception {
    Path folder = Paths.get(arguments[0]);
    System.load(arguments[1]);
    byte[] giver = read(folder, "giver-stage"), given = read(folder, "giver-task");
    byte[] passer = read(folder, "passer-stage"), passed = read(folder, "passer-task");
    double[][] rates = new double[4][ROUNDS];
    List<byte[]> blocks = List.of();
    for (int round = 0; round < ROUNDS; round++) {
      bytes = taking = pushing = 0;
      blocks = run(giver, given, List.of(), folder);
      run(passer, passed, blocks, folder);
      rates[0][round] = rate(bytes, taking);
      rates[1][round] = rate(blocks.stream().mapToLong(block -> block.length).sum(), pushing);
      rates[2][round] = direct(blocks, true);
      rates[3][round] = direct(blocks, false);
    }
    long all = blocks.stream().mapToLong(block -> block.length).sum();
    System.out.printf("blocks %d, bytes %d%n", blocks.size(), all);
    String[] names = {
      "out: take into a new array", "in: push of an array", "a direct buffer: put alone", "a direct buffer: get alone"
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
          long began = System.nanoTime();
          for (byte[] block : blocks) Native.push(handle, 0, block);
          pushing += System.nanoTime() - began;
        }
        Native.push(handle, (int) answer[0], null);
      } else if (kind == Native.BLOCK) {
        long began = System.nanoTime();
        byte[] block = new byte[(int) answer[1]];
        Native.take(handle, block);
        taking += System.nanoTime() - began;
        bytes += block.length;
        if (answer[0] != Native.COUNTS) out.add(block);
      }
    }
    Native.close(handle);
    return out;
  }

  /** Copies blocks into one direct buffer, again and again, or out of it into new arrays. */
  private static double direct(List<byte[]> blocks, boolean in) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(blocks.stream().mapToInt(block -> block.length).max().getAsInt());
    long all = 0, began = System.nanoTime();
    for (byte[] block : blocks) {
      buffer.clear();
      if (in) buffer.put(block);
      else buffer.get(new byte[block.length]);
      all += block.length;
    }
    return rate(all, System.nanoTime() - began);
  }

  private static double rate(long bytes, long nanoseconds) {
    return bytes / (double) nanoseconds;
  }

  private static byte[] read(Path folder, String name) throws Exception {
    return Files.readAllBytes(folder.resolve(name));
  }
}
