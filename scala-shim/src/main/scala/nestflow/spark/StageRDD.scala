package nestflow.spark

import org.apache.spark.{Dependency, Partition, SparkContext, TaskContext}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.rdd.RDD
import org.apache.spark.util.{CollectionAccumulator, SerializableConfiguration}
import StageRDD.Counted

/** One stage: task i gives its inputs to native code and hands on the blocks that come out. */
private[spark] final class StageRDD(
    sc: SparkContext,
    stage: Array[Byte],
    @transient tasks: IndexedSeq[Task],
    @transient reads: Seq[Dependency[Channels.Block]],
    settings: Settings,
    hadoop: Option[Broadcast[SerializableConfiguration]],
    counts: CollectionAccumulator[Counted],
    metrics: Metrics)
    extends RDD[Channels.Block](sc, reads) {

  override protected def getPartitions: Array[Partition] =
    Array.tabulate[Partition](tasks.size) { index =>
      // Executors know a parent's partitions only by those that are sent along.
      val parents = reads.zip(tasks(index).reads).map { case (read, channels) =>
        channels.map(read.rdd.partitions(_))
      }
      new StagePartition(index, tasks(index).bytes, parents.toArray)
    }

  override protected def getPreferredLocations(split: Partition): Seq[String] = tasks(split.index).hosts

  override def compute(split: Partition, context: TaskContext): Iterator[Channels.Block] = {
    val task = split.asInstanceOf[StagePartition]
    val inputs = task.parents.indices.map { number =>
      val parent = dependencies(number).rdd.asInstanceOf[RDD[Channels.Block]]
      () => task.parents(number).iterator.flatMap(parent.iterator(_, context))
    }
    val counted = (json: String) => counts.add(((id, split.index), json))
    new TaskIterator(stage, task.bytes, inputs, settings, hadoop, counted, metrics, context)
  }
}

private[spark] object StageRDD {
  /** Task i of an RDD, and in JSON what its user functions counted; one that is done again says it again. */
  type Counted = ((Int, Int), String)
}

/** A task's bytes, and the partitions of each parent that it reads. */
private[spark] final class StagePartition(
    val index: Int,
    val bytes: Array[Byte],
    val parents: Array[Array[Partition]])
    extends Partition
