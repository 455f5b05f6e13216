package nestflow.spark;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.ByteBuffer;
import org.apache.spark.serializer.DeserializationStream;
import org.apache.spark.serializer.SerializationStream;
import org.apache.spark.serializer.Serializer;
import org.apache.spark.serializer.SerializerInstance;
import scala.reflect.ClassTag;

/**
 * The form of (channel, block) in Spark's shuffle: channel, length, bytes; nothing is held between
 * records, so that Spark may move them while they are serialized and does not sort objects.
 *
 * <p>In Java, since to Scala the method that says so is Spark's own. Is for shuffles only: it knows
 * no other objects.
 */
public final class ChannelSerializer extends Serializer implements Serializable {
  @Override
  public boolean supportsRelocationOfSerializedObjects() {
    return true;
  }

  @Override
  public SerializerInstance newInstance() {
    return new Instance();
  }

  private static final class Instance extends SerializerInstance {
    @Override
    public SerializationStream serializeStream(OutputStream stream) {
      return new Writer(stream);
    }

    @Override
    public DeserializationStream deserializeStream(InputStream stream) {
      return new Reader(stream);
    }

    @Override
    public <T> ByteBuffer serialize(T value, ClassTag<T> tag) {
      throw new UnsupportedOperationException("only streams of blocks");
    }

    @Override
    public <T> T deserialize(ByteBuffer bytes, ClassTag<T> tag) {
      throw new UnsupportedOperationException("only streams of blocks");
    }

    @Override
    public <T> T deserialize(ByteBuffer bytes, ClassLoader loader, ClassTag<T> tag) {
      throw new UnsupportedOperationException("only streams of blocks");
    }
  }

  private static final class Writer extends SerializationStream {
    private final DataOutputStream out;

    Writer(OutputStream stream) {
      out = new DataOutputStream(stream);
    }

    @Override
    public <T> SerializationStream writeObject(T value, ClassTag<T> tag) {
      try {
        if (value instanceof Integer) {
          out.writeInt((Integer) value);
        } else {
          byte[] block = (byte[]) value;
          out.writeInt(block.length);
          out.write(block);
        }
        return this;
      } catch (IOException error) {
        throw ChannelSerializer.<RuntimeException>asItIs(error);
      }
    }

    @Override
    public void flush() {
      try {
        out.flush();
      } catch (IOException error) {
        throw ChannelSerializer.<RuntimeException>asItIs(error);
      }
    }

    @Override
    public void close() {
      try {
        out.close();
      } catch (IOException error) {
        throw ChannelSerializer.<RuntimeException>asItIs(error);
      }
    }
  }

  private static final class Reader extends DeserializationStream {
    private final DataInputStream in;
    private boolean atKey = true;

    Reader(InputStream stream) {
      in = new DataInputStream(stream);
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> T readObject(ClassTag<T> tag) {
      try {
        if (atKey) {
          // The end of the stream is only here in good order: EOFException is how Spark is told.
          int channel = in.readInt();
          atKey = false;
          return (T) (Object) channel;
        }
        byte[] block = new byte[in.readInt()];
        try {
          in.readFully(block);
        } catch (EOFException end) {
          throw new IOException("a block of " + block.length + " bytes was cut off", end);
        }
        atKey = true;
        return (T) (Object) block;
      } catch (IOException error) {
        throw ChannelSerializer.<RuntimeException>asItIs(error);
      }
    }

    @Override
    public void close() {
      try {
        in.close();
      } catch (IOException error) {
        throw ChannelSerializer.<RuntimeException>asItIs(error);
      }
    }
  }

  /** Spark's streams declare nothing and throw what the stream below throws. */
  @SuppressWarnings("unchecked")
  private static <E extends Throwable> E asItIs(Throwable error) throws E {
    throw (E) error;
  }
}
