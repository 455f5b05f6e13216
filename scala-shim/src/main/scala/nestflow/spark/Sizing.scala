package nestflow.spark

import org.apache.spark.SparkContext
import org.apache.spark.network.util.JavaUtils

/** What an executor has for the tasks that run at a time in it; `lent`: it is Spark's off-heap memory. */
private[spark] final case class Settings(slots: Int, memory: Long, lent: Boolean, place: Place = Place("", "", "", Nil))

/** How native memory is sized; docs/memory.md says the same to people. */
private[spark] final case class Sizing(settings: Settings, rule: String, warning: Option[String])

private[spark] object Sizing {
  private val LocalCluster = """local-cluster\[\s*\d+\s*,\s*(\d+)\s*,\s*\d+\s*\]""".r
  private val LocalThreads = """local\[\s*(\d+|\*)\s*(?:,\s*\d+\s*)?\]""".r
  private val Mib = 1L << 20

  /** Where nothing is said: what a job of some size needs. */
  private val Default = 512L * Mib

  /** With less than this, a task does little but spill. */
  private val Little = 16L * Mib

  def of(sc: SparkContext): Sizing = {
    val conf = sc.getConf
    val cores = slots(sc)
    val borrowed = conf.getBoolean("spark.memory.offHeap.enabled", defaultValue = false)
    val offHeap = conf.getSizeAsBytes("spark.memory.offHeap.size", "0")
    if (borrowed && offHeap > 0) {
      val settings = Settings(cores, offHeap, lent = true)
      return Sizing(settings, shared(settings, "of Spark's off-heap memory (spark.memory.offHeap.size)"), few(settings))
    }
    val own = Option(conf.get("spark.nestflow.memory", null)).map(JavaUtils.byteStringAsBytes)
    val overhead = overheadOf(sc)
    val settings = Settings(cores, own.getOrElse(overhead.fold(Default)(_ / 2)), lent = false)
    val from = if (own.isDefined) "(spark.nestflow.memory)" else overhead.fold("(the default)")(_ => "(half of the executor's memory overhead; the other half is for worker processes)")
    val tooMuch = for (room <- overhead if settings.memory > room) yield
      s"native code may take ${mib(settings.memory)}, but the memory overhead of an executor is ${mib(room)}: " +
        "the cluster may kill executors; raise spark.executor.memoryOverhead or lower spark.nestflow.memory"
    Sizing(settings, shared(settings, from), tooMuch.orElse(few(settings)))
  }

  private def shared(settings: Settings, from: String): String =
    s"in each executor, ${settings.slots} tasks at a time share ${mib(settings.memory)} $from"

  private def few(settings: Settings): Option[String] =
    if (settings.memory / settings.slots >= Little) None
    else Some(s"a task has only ${mib(settings.memory / settings.slots)} of memory for its data, and will spill a lot")

  private def mib(bytes: Long): String = s"${bytes / Mib} MiB"

  /** What a cluster grants an executor beside its heap; locally nobody counts. */
  private def overheadOf(sc: SparkContext): Option[Long] = {
    val conf = sc.getConf
    if (sc.isLocal || sc.master.startsWith("local-cluster")) return None
    val heap = conf.getSizeAsMb("spark.executor.memory", "1g") * Mib
    val factor = conf.getDouble("spark.executor.memoryOverheadFactor", 0.1)
    val least = math.max((heap * factor).toLong, 384 * Mib)
    Some(Option(conf.get("spark.executor.memoryOverhead", null)).fold(least)(JavaUtils.byteStringAsMb(_) * Mib))
  }

  private def slots(sc: SparkContext): Int = {
    val conf = sc.getConf
    val cores = sc.master match {
      case "local" => 1
      case LocalThreads("*") => Runtime.getRuntime.availableProcessors
      case LocalThreads(count) => count.toInt
      case LocalCluster(each) => each.toInt
      case _ => conf.getInt("spark.executor.cores", if (sc.master.startsWith("spark:")) ofExecutor(sc) else 1)
    }
    math.max(1, cores / math.max(1, conf.getInt("spark.task.cpus", 1)))
  }

  /** A standalone executor takes all cores of its worker unless it is told otherwise. */
  private def ofExecutor(sc: SparkContext): Int =
    sc.defaultParallelism / math.max(1, sc.statusTracker.getExecutorInfos.length - 1)
}
