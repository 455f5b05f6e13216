package nestflow.spark

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.{ExceptionFailure, SparkContext}
import org.apache.spark.scheduler.{SparkListener, SparkListenerJobEnd, SparkListenerTaskEnd}

/** Ends a run at the first error that no retry can mend, and remembers it. */
private[spark] final class Faults(sc: SparkContext) extends SparkListener {
  private val found = new java.util.concurrent.ConcurrentHashMap[String, String]
  private val groups = new java.util.concurrent.ConcurrentHashMap[Int, String]

  private val stages = new java.util.concurrent.ConcurrentHashMap[Int, Seq[Int]]

  /** These kinds come again however often a task is tried. */
  private val Final = Set("user", "data", "plan")

  override def onJobStart(start: org.apache.spark.scheduler.SparkListenerJobStart): Unit =
    for {
      properties <- Option(start.properties)
      group <- Option(properties.getProperty("spark.jobGroup.id")) if group.startsWith(Fault.Group)
      stage <- start.stageIds
    } {
      groups.put(stage, group)
      stages.put(start.jobId, start.stageIds)
    }

  override def onJobEnd(end: SparkListenerJobEnd): Unit =
    Option(stages.remove(end.jobId)).foreach(_.foreach(groups.remove(_)))

  override def onTaskEnd(end: SparkListenerTaskEnd): Unit = end.reason match {
    case failure: ExceptionFailure if groups.containsKey(end.stageId) =>
      for (description <- Fault.of(failure) if Final(Fault.kind(description))) {
        val group = groups.get(end.stageId)
        found.putIfAbsent(group, description)
        sc.cancelJobGroup(group)
      }
    case _ => ()
  }

  /** The error that ended the run of a group. */
  def take(group: String): Option[String] = Option(found.remove(group))
}

private[spark] object Fault {
  /** What the names of our job groups begin with. */
  val Group = "nestflow-"

  private val json = new ObjectMapper

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

  /** Any error as a description. */
  def describe(error: Throwable): String = of(error).getOrElse {
    val description: ObjectNode = json.createObjectNode()
    description.put("kind", "spark")
    description.put("message", String.valueOf(error.getMessage))
    description.put("class", error.getClass.getName)
    description.toString
  }
}
