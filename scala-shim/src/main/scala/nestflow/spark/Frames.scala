package nestflow.spark

import java.io.ByteArrayInputStream
import java.nio.ByteBuffer
import org.apache.arrow.memory.RootAllocator
import org.apache.arrow.vector.ipc.ArrowStreamReader
import org.apache.spark.TaskContext
import org.apache.spark.nestflow.Ordered
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector, ColumnarBatch}

/** Datasets that are Spark's own; `runtime/src/remote/frames` has the forms of their bytes. */
private[spark] object Frames {
  /** The elements of an RDD, each with its part and its place there in front. */
  def blocks(elements: RDD[Array[Byte]]): RDD[Channels.Block] = Ordered.parts(elements) { (part, all) =>
    all.zipWithIndex.map { case (bytes, place) =>
      (part, ByteBuffer.allocate(8 + bytes.length).putInt(part).putInt(place).put(bytes).array)
    }
  }

  /** The rows of streams of Arrow, each valid until the next one is asked for. */
  def rows(streams: RDD[Array[Byte]]): RDD[InternalRow] = streams.mapPartitions { all =>
    val memory = new RootAllocator
    var open = Option.empty[ArrowStreamReader]
    TaskContext.get().addTaskCompletionListener[Unit] { _ =>
      open.foreach(_.close())
      memory.close()
    }
    all.flatMap { stream =>
      open.foreach(_.close())
      val reader = new ArrowStreamReader(new ByteArrayInputStream(stream), memory)
      open = Some(reader)
      reader.loadNextBatch()
      val root = reader.getVectorSchemaRoot
      val columns = root.getFieldVectors.toArray(Array.empty[org.apache.arrow.vector.FieldVector])
      val batch = new ColumnarBatch(columns.map(new ArrowColumnVector(_): ColumnVector), root.getRowCount)
      Iterator.range(0, root.getRowCount).map(batch.getRow(_))
    }
  }
}
