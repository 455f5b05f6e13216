package nestflow.spark

import org.apache.spark.{Dependency, Partition, SparkContext, TaskContext}
import org.apache.spark.rdd.RDD

/** One stage: task i gives its inputs to native code and hands on the blocks that come out. */
private[spark] final class StageRDD(
    sc: SparkContext,
    stage: Array[Byte],
    @transient tasks: IndexedSeq[Task],
    @transient reads: Seq[Dependency[Channels.Block]],
    settings: Settings)
    extends RDD[Channels.Block](sc, reads) {

  override protected def getPartitions: Array[Partition] =
    Array.tabulate[Partition](tasks.size)(index => new StagePartition(index, tasks(index)))

  override def compute(split: Partition, context: TaskContext): Iterator[Channels.Block] = {
    val task = split.asInstanceOf[StagePartition].task
    val inputs = dependencies.indices.map { number =>
      val parent = dependencies(number).rdd.asInstanceOf[RDD[Channels.Block]]
      () => task.reads(number).iterator.flatMap(channel => parent.iterator(parent.partitions(channel), context))
    }
    new TaskIterator(stage, task.bytes, inputs, settings, context)
  }
}

private[spark] final class StagePartition(val index: Int, val task: Task) extends Partition
