package nestflow.spark

import scala.collection.mutable

import org.apache.spark.util.AccumulatorV2

/** What user functions counted, as each task says it in JSON. A task that is done again says it again,
  * and counts once; a task that fails says nothing. */
private[spark] final class Counts(private val said: mutable.Map[(Int, Int), String] = mutable.Map.empty)
    extends AccumulatorV2[((Int, Int), String), String] {

  override def isZero: Boolean = said.isEmpty
  override def copy(): Counts = new Counts(said.clone())
  override def reset(): Unit = said.clear()

  /** Task i of an RDD, and what it says. */
  override def add(task: ((Int, Int), String)): Unit = said += task

  override def merge(other: AccumulatorV2[((Int, Int), String), String]): Unit = other match {
    case that: Counts => said ++= that.said
    case _ => throw new UnsupportedOperationException(s"counts and ${other.getClass.getName}")
  }

  /** All of them as one list. */
  override def value: String = said.values.mkString("[", ",", "]")
}
