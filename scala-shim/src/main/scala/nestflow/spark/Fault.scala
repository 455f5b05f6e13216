package nestflow.spark

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.{ExceptionFailure, ExecutorLostFailure, SparkContext}
import org.apache.spark.scheduler.{SparkListener, SparkListenerStageSubmitted, SparkListenerTaskEnd}

/** Ends a run at the first error that no retry can mend, and remembers it. */
private[spark] final class Faults(sc: SparkContext) extends SparkListener {
  /** Of each group that is watched, the first error, or nothing yet. */
  private val found = new java.util.concurrent.ConcurrentHashMap[String, String]
  private val groups = new java.util.concurrent.ConcurrentHashMap[Int, String]
  private val lost = new java.util.concurrent.ConcurrentHashMap[String, String]

  /** These kinds come again however often a task is tried. */
  private val Final = Set("user", "data", "plan")

  override def onStageSubmitted(begin: SparkListenerStageSubmitted): Unit =
    for {
      properties <- Option(begin.properties)
      group <- Option(properties.getProperty("spark.jobGroup.id")) if found.containsKey(group)
    } groups.put(begin.stageInfo.stageId, group)

  override def onTaskEnd(end: SparkListenerTaskEnd): Unit = end.reason match {
    case failure: ExceptionFailure if groups.containsKey(end.stageId) =>
      for (description <- Fault.of(failure) if Final(Fault.kind(description))) {
        val group = groups.get(end.stageId)
        found.computeIfPresent(group, (_, before) => if (before.isEmpty) description else before)
        sc.cancelJobGroup(group)
      }
    case ExecutorLostFailure(_, _, Some(reason)) =>
      Option(groups.get(end.stageId)).filter(found.containsKey(_)).foreach(lost.put(_, reason))
    case _ => ()
  }

  /** From now on its errors are remembered, until it is forgotten: who listens hears of things late. */
  def watch(group: String): Unit = found.put(group, "")

  def forget(group: String): Unit = {
    Seq(found, lost).foreach(_.remove(group))
    groups.values.removeIf(_ == group)
  }

  /** The error that ended the run of a group. */
  def of(group: String): Option[String] = Option(found.get(group)).filter(_.nonEmpty)

  /** Why an executor was lost that had a task of a group, the last of them. */
  def lostOf(group: String): Option[String] = Option(lost.get(group))
}

/** An error of native code. Its message is JSON: kind, message, and what else is known. */
final class NativeError(description: String) extends RuntimeException(description)

private[spark] object Fault {
  /** What the names of our job groups begin with. */
  val Group = "nestflow-"

  private val json = new ObjectMapper

  /** What helps, by what Spark says. */
  private val Hints = Seq(
    "physical memory limits" -> ("\nThe processes of user functions take their memory from spark.executor.memoryOverhead: " +
      "raise it, or lower spark.executor.cores, which is how many of them an executor has at a time"),
    "UNABLE_TO_ACQUIRE_MEMORY" -> ("\nWhere there are more than 200 channels, Spark's shuffle holds a whole block in the memory of " +
      "its task, and the largest record is a block: raise spark.memory.offHeap.size (memory_limit), or say concurrency=200 or less"))

  /** The kind that a description names. */
  def kind(description: String): String =
    try json.readTree(description).path("kind").asText
    catch { case _: java.io.IOException => "" }

  /** What a task's failure says of native code. */
  def of(failure: ExceptionFailure): Option[String] =
    failure.exception.flatMap(of).orElse {
      Option(failure.description).filter(_ => failure.className == classOf[NativeError].getName)
    }

  /** The description that a throwable, or what caused it, carries. */
  def of(error: Throwable): Option[String] =
    Iterator.iterate(error)(_.getCause).take(20).takeWhile(_ != null).collectFirst {
      case native: NativeError => native.getMessage
    }

  /** Any error as a description. Spark may say no more than that the application has ended: `lost` says why. */
  def describe(error: Throwable, lost: Option[String]): String = of(error).getOrElse {
    val description: ObjectNode = json.createObjectNode()
    val message = String.valueOf(error.getMessage)
    val more = lost.map(_.trim).filterNot(message.contains).fold("")(reason => s"\nAn executor was lost: $reason")
    val hint = Hints.collectFirst { case (said, helps) if s"$message$more".contains(said) => helps }.getOrElse("")
    description.put("kind", "spark")
    description.put("message", s"$message$more$hint")
    description.put("class", error.getClass.getName)
    description.toString
  }
}
