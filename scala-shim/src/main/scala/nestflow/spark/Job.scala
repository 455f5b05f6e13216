package nestflow.spark

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}

/** What the client has planned, as far as it matters here; `runtime/src/remote/job.rs` says what is what. */
private[spark] final case class Job(
    build: String,
    remoteFiles: Boolean,
    stages: IndexedSeq[Stage],
    results: Seq[Result],
    settings: Settings)

/** `everywhere`: those of its channels that all tasks of a reader read. */
private[spark] final case class Stage(
    name: String,
    site: String,
    bytes: Array[Byte],
    channels: Int,
    everywhere: Set[Int],
    inputs: IndexedSeq[Input],
    tasks: IndexedSeq[Task])

private[spark] sealed trait Input
private[spark] final case class OfStage(stage: Int) extends Input
private[spark] final case class OfKept(cache: Long) extends Input

/** `reads`: for each input of the stage, the channels that this task reads; `hosts`: where its files are. */
private[spark] final case class Task(bytes: Array[Byte], reads: IndexedSeq[Array[Int]], hosts: Seq[String])

/** `channels`: from and to; without them, all that the stage puts out. */
private[spark] final case class Result(kind: String, stage: Int, channels: Option[(Int, Int)], cache: Option[Long])

/** What an executor has for the tasks that run at a time in it; `lent`: it is Spark's off-heap memory. */
private[spark] final case class Settings(slots: Int, memory: Long, lent: Boolean, place: Place)

private[spark] object Job {
  private val Version = 1

  /** Reads a description; `bytes` is what it points into. */
  def parse(description: String, bytes: Array[Byte], settings: Settings): Job = {
    val job = new ObjectMapper().readTree(description)
    val version = job.get("version").asInt
    if (version != Version)
      throw new IllegalArgumentException(s"a job of version $version; this jar knows version $Version")

    def slice(range: JsonNode): Array[Byte] = java.util.Arrays.copyOfRange(bytes, range.get(0).asInt, range.get(1).asInt)

    val stages = each(job.get("stages")) { stage =>
      val inputs = each(stage.get("inputs")) { input =>
        if (input.has("stage")) OfStage(input.get("stage").asInt) else OfKept(input.get("kept").asLong)
      }
      val tasks = each(stage.get("tasks")) { task =>
        val reads = each(task.get("reads"))(each(_)(_.asInt).toArray)
        Task(slice(task.get("bytes")), reads, each(task.get("hosts"))(_.asText))
      }
      Stage(
        stage.get("name").asText,
        stage.get("site").asText,
        slice(stage.get("bytes")),
        stage.get("channels").asInt,
        everywhere(stage.get("outputs")),
        inputs,
        tasks)
    }
    val results = each(job.get("results")) { result =>
      val channels = present(result, "channels").map(range => (range.get(0).asInt, range.get(1).asInt))
      val cache = present(result, "cache").map(_.asLong)
      Result(result.get("kind").asText, result.get("stage").asInt, channels, cache)
    }
    Job(job.get("build").asText, job.get("remote_files").asBoolean, stages, results, settings)
  }

  private def everywhere(outputs: JsonNode): Set[Int] = each(outputs) { output =>
    val (first, count) = (output.get("first").asInt, output.get("channels").asInt)
    if (output.get("kind").asText == "broadcast") first until first + count else Range(0, 0)
  }.flatten.toSet
  private def present(node: JsonNode, name: String): Option[JsonNode] = Option(node.get(name)).filterNot(_.isNull)
  private def each[T](list: JsonNode)(read: JsonNode => T): IndexedSeq[T] =
    (0 until list.size).map(index => read(list.get(index)))
}
