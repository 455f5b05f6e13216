package org.apache.spark.nestflow

import java.io.{DataInputStream, DataOutputStream, EOFException, InputStream, IOException, OutputStream}
import java.nio.ByteBuffer
import java.nio.file.{Files, Path}
import scala.reflect.ClassTag
import org.apache.hadoop.fs.FileUtil
import org.apache.spark.SparkEnv
import org.apache.spark.rdd.RDD
import org.apache.spark.serializer.{DeserializationStream, SerializationStream, Serializer, SerializerInstance}
import org.apache.spark.storage.{RDDBlockId, StorageLevel}

/** A folder for temporary files among those that Spark uses on this machine; gone with the JVM. */
object LocalFolder {
  private var known: Option[(Path, String)] = None

  /** Of the SparkContext that there is now: a JVM can have one after the other. */
  def path: String = synchronized {
    val local = SparkEnv.get.blockManager.diskBlockManager.localDirs.head.toPath
    known.collect { case (of, path) if of == local => path }.getOrElse {
      val folder = Files.createTempDirectory(local, "nestflow-")
      Runtime.getRuntime.addShutdownHook(new Thread(() => FileUtil.fullyDelete(folder.toFile)))
      known = Some((local, folder.toString))
      folder.toString
    }
  }
}

/** What this executor has fetched for all of its tasks, among Spark's own blocks; gone with `RDD.unpersist`. */
object LocalBlocks {
  /** The elements of a partition, made by the first task here that wants them; others wait for it. */
  def once[T: ClassTag](rdd: Int, partition: Int)(make: () => Iterator[T]): Iterator[T] = {
    val blocks = SparkEnv.get.blockManager
    val id = RDDBlockId(rdd, partition)
    def held: Option[Iterator[T]] = blocks.getLocalValues(id).map(_.data.asInstanceOf[Iterator[T]])
    held.getOrElse {
      // Made only if nobody else does; the scheduler need not know, since there is one wherever it is wanted.
      val made = Iterator.single(()).flatMap(_ => make())
      blocks.putIterator(id, made, StorageLevel.MEMORY_AND_DISK, tellMaster = false)
      held.getOrElse(make())
    }
  }
}

/** Parts whose order is looked at: where Spark would give it otherwise a second time, it makes all of them again. */
object Ordered {
  def parts[T, U: ClassTag](rdd: RDD[T])(make: (Int, Iterator[T]) => Iterator[U]): RDD[U] =
    rdd.mapPartitionsWithIndexInternal(make, isOrderSensitive = true)
}

/** The form of (channel, block) in Spark's shuffle: channel, length, bytes. Nothing is held between records, so that
  * Spark may move them while they are serialized and does not sort objects; only here can a serializer say so. */
final class ChannelSerializer extends Serializer with Serializable {
  override private[spark] def supportsRelocationOfSerializedObjects: Boolean = true

  override def newInstance(): SerializerInstance = new SerializerInstance {
    override def serializeStream(stream: OutputStream): SerializationStream = new BlockWriter(new DataOutputStream(stream))
    override def deserializeStream(stream: InputStream): DeserializationStream = new BlockReader(new DataInputStream(stream))
    override def serialize[T: ClassTag](value: T): ByteBuffer = onlyStreams
    override def deserialize[T: ClassTag](bytes: ByteBuffer): T = onlyStreams
    override def deserialize[T: ClassTag](bytes: ByteBuffer, loader: ClassLoader): T = onlyStreams
    private def onlyStreams = throw new UnsupportedOperationException("only streams of blocks")
  }
}

private final class BlockWriter(out: DataOutputStream) extends SerializationStream {
  override def writeObject[T: ClassTag](value: T): SerializationStream = {
    value match {
      case channel: Int => out.writeInt(channel)
      case block: Array[Byte] =>
        out.writeInt(block.length)
        out.write(block)
    }
    this
  }

  override def flush(): Unit = out.flush()
  override def close(): Unit = out.close()
}

private final class BlockReader(in: DataInputStream) extends DeserializationStream {
  private var atKey = true

  override def readObject[T: ClassTag](): T = {
    // The end of the stream is only before a channel in good order: EOFException is how Spark is told.
    val first = if (atKey) in.readUnsignedByte() else 0
    val part: Any =
      try {
        if (atKey) first << 24 | in.readUnsignedByte() << 16 | in.readUnsignedShort()
        else {
          val block = new Array[Byte](in.readInt())
          in.readFully(block)
          block
        }
      } catch { case end: EOFException => throw new IOException("a block of a shuffle was cut off", end) }
    atKey = !atKey
    part.asInstanceOf[T]
  }

  override def close(): Unit = in.close()
}
