package nestflow.spark;

/** An error of native code. Its message is JSON: kind, message, and what else is known. */
public final class NativeError extends RuntimeException {
  public NativeError(String description) {
    super(description);
  }
}
