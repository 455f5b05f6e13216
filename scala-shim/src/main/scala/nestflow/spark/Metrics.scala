package nestflow.spark

import org.apache.spark.SparkContext
import org.apache.spark.util.LongAccumulator

/** What the tasks of a stage have done, in the order of `Native.progress`, as Spark's UI shows it. A task that
  * is done again counts again. */
private[spark] final class Metrics private (counts: IndexedSeq[LongAccumulator]) extends Serializable {
  def add(task: Array[Long]): Unit = counts.zip(task).foreach { case (count, more) => count.add(more) }
  def values: Array[Long] = counts.map(_.sum).toArray
}

private[spark] object Metrics {
  private val Names = IndexedSeq("rows read", "rows put out", "bytes put out", "bytes spilled", "ns in user functions")

  val Size: Int = Names.size

  def of(sc: SparkContext): Metrics = new Metrics(Names.map(name => sc.longAccumulator(s"nestflow: $name")))
}
