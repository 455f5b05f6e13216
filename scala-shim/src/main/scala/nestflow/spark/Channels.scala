package nestflow.spark

import org.apache.spark.{NarrowDependency, Partition, Partitioner, TaskContext}
import org.apache.spark.nestflow.{ChannelSerializer, LocalBlocks}
import org.apache.spark.rdd.{RDD, ShuffledRDD}

/** Sends a block to the channel that it names. None equals another: Spark would put RDDs of equal ones side by side. */
private[spark] final class ChannelPartitioner(val numPartitions: Int) extends Partitioner {
  override def getPartition(key: Any): Int = key.asInstanceOf[Int]
}

/** Task i depends on these partitions of its parent. */
private[spark] final class Reads(parent: RDD[Channels.Block], of: IndexedSeq[Array[Int]])
    extends NarrowDependency[Channels.Block](parent) {
  override def getParents(task: Int): Seq[Int] = of(task).toSeq
}

/** Some of the channels of a shuffle, as an RDD of their own. */
private[spark] final class ChannelsRDD(@transient parent: RDD[Channels.Block], from: Int, until: Int)
    extends RDD[Channels.Block](
      parent.context,
      Seq(new Reads(parent, (from until until).map(Array(_))))) {

  override protected def getPartitions: Array[Partition] =
    Array.tabulate[Partition](until - from)(index => new One(index, parent.partitions(from + index)))

  override def compute(split: Partition, context: TaskContext): Iterator[Channels.Block] =
    firstParent[Channels.Block].iterator(split.asInstanceOf[One].parent, context)
}

private[spark] final class One(val index: Int, val parent: Partition) extends Partition

/** The shuffle of a stage; an executor fetches a channel that all tasks read once. */
private[spark] final class ShuffledChannels(stage: RDD[Channels.Block], channels: Int, everywhere: Set[Int])
    extends ShuffledRDD[Int, Array[Byte], Array[Byte]](stage, new ChannelPartitioner(channels)) {

  override def compute(split: Partition, context: TaskContext): Iterator[Channels.Block] =
    if (everywhere(split.index)) LocalBlocks.once(id, split.index)(() => super.compute(split, context))
    else super.compute(split, context)
}

private[spark] object Channels {
  /** The number of a channel and the bytes of a block. */
  type Block = (Int, Array[Byte])

  /** All blocks of a stage by channel: one shuffle, whoever reads of it. Of `everywhere`, all tasks of a reader
    * read all. */
  def shuffled(stage: RDD[Block], channels: Int, everywhere: Set[Int]): RDD[Block] =
    new ShuffledChannels(stage, channels, everywhere).setSerializer(new ChannelSerializer)
}
