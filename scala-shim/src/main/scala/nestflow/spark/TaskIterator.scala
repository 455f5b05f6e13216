package nestflow.spark

import java.nio.charset.StandardCharsets.UTF_8
import org.apache.hadoop.conf.Configuration
import org.apache.spark.{TaskContext, TaskKilledException}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.nestflow.TaskMemory
import org.apache.spark.util.SerializableConfiguration
import org.slf4j.LoggerFactory

/** Drives one native task on the thread of its Spark task: gives what it asks for, takes what it gives. */
private[spark] final class TaskIterator(
    stage: Array[Byte],
    task: Array[Byte],
    inputs: IndexedSeq[() => Iterator[Channels.Block]],
    settings: Settings,
    hadoop: Option[Broadcast[SerializableConfiguration]],
    counted: String => Unit,
    metrics: Metrics,
    context: TaskContext)
    extends Iterator[Channels.Block] {

  @volatile private var handle = 0L
  private var ahead: Channels.Block = _
  private var done = false
  private val answer = new Array[Long](2)

  private val memory: Option[TaskMemory] =
    if (settings.lent) Some(new TaskMemory(context, () => if (handle == 0) 0 else Native.press(handle))) else None

  // Before there is a task: what can fail or be killed from here on finds it registered.
  context.addTaskCompletionListener[Unit](_ => close())
  private val folder = Library.ready(settings.place, hadoop.fold(new Configuration)(_.value.value))
  handle = Native.create(stage, task, folder, settings.slots, settings.memory, files, memory.orNull)

  private def files: Files = hadoop.map(configuration => new Files(configuration.value.value)).orNull

  override def hasNext: Boolean = {
    if (ahead == null && !done) advance()
    ahead != null
  }

  override def next(): Channels.Block = {
    if (!hasNext) throw new NoSuchElementException("the task has given all its blocks")
    val block = ahead
    ahead = null
    block
  }

  private def advance(): Unit =
    while (ahead == null && !done) {
      if (context.isInterrupted()) throw new TaskKilledException
      Native.step(handle, answer) match {
        case Native.NOTHING => ()
        case Native.DONE => finish()
        case Native.NEED => give(answer(0).toInt)
        case Native.BLOCK =>
          val bytes = new Array[Byte](answer(1).toInt)
          Native.take(handle, bytes)
          if (answer(0).toInt == Native.COUNTS) counted(new String(bytes, UTF_8))
          else ahead = (answer(0).toInt, bytes)
      }
    }

  private def give(input: Int): Unit = {
    val blocks = inputs(input)()
    while (blocks.hasNext) {
      if (context.isInterrupted()) throw new TaskKilledException
      Native.push(handle, input, blocks.next()._2)
    }
    Native.push(handle, input, null)
  }

  private def finish(): Unit = {
    done = true
    val counts = new Array[Long](Metrics.Size)
    Native.progress(handle, counts)
    metrics.add(counts)
    close()
  }

  private def close(): Unit = synchronized {
    done = true
    if (handle != 0) {
      val closing = handle
      handle = 0
      Native.cancel(closing)
      memory.foreach(_.cancel())
      if (!Native.close(closing))
        LoggerFactory.getLogger(getClass).warn(s"task ${context.partitionId()} of stage ${context.stageId()} is over, " +
          "but its native code still runs: the executor has a thread and memory less until that ends")
      memory.foreach(_.close())
    }
  }
}
