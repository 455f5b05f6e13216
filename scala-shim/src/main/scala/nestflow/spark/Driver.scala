package nestflow.spark

import java.io.{BufferedOutputStream, DataOutputStream}
import java.nio.file.{Files, Paths}
import java.util.concurrent.{ConcurrentHashMap, TimeUnit}
import java.util.concurrent.atomic.{AtomicLong, AtomicReference}
import java.util.concurrent.CountDownLatch

import scala.collection.mutable

import org.apache.spark.SparkContext
import org.apache.spark.api.java.JavaSparkContext
import org.apache.spark.rdd.RDD
import org.apache.spark.storage.StorageLevel

import Channels.Block

/** What the Python client calls. Turns a job's description into RDDs, as it stands there. */
final class Driver(java: JavaSparkContext) {
  private val sc: SparkContext = java.sc
  private val faults = new Faults(sc)
  private val kept = new ConcurrentHashMap[Long, RDD[Block]]
  private val runs = new ConcurrentHashMap[Long, Run]
  private val next = new AtomicLong(1)
  private val id = java.hashCode.toHexString + System.nanoTime.toHexString

  sc.addSparkListener(faults)

  /** The build of this jar. */
  def buildId: String = Library.buildId

  /** Starts a job; its bytes are in a file. Gives the number of the run. */
  def start(description: String, bytes: String): Long = {
    val job = Job.parse(description, Files.readAllBytes(Paths.get(bytes)), settings)
    if (job.build != Library.buildId) {
      throw new IllegalStateException(
        s"the package nestflow is of build ${job.build}, but the jar of build ${Library.buildId}")
    }
    val number = next.getAndIncrement()
    val run = new Run(s"${Fault.Group}$id-$number", job)
    runs.put(number, run)
    run.start()
    number
  }

  /** Waits a little for the end of a run: null, or "" for success, or the description of its error. */
  def poll(number: Long, millis: Long): String = {
    val run = runs.get(number)
    if (!run.ended.await(millis, TimeUnit.MILLISECONDS)) return null
    runs.remove(number)
    run.error.get
  }

  /** How far a run is: stages, tasks, tasks that are done. */
  def progress(number: Long): Array[Int] = Option(runs.get(number)).fold(Array.empty[Int])(_.progress)

  /** Ends a run; `poll` says when it has. */
  def cancel(number: Long): Unit = Option(runs.get(number)).foreach(run => sc.cancelJobGroup(run.group))

  /** Writes the blocks of a kept dataset, in any order, each with its length in front. */
  def fetch(cache: Long, path: String): Unit = {
    val rdd = kept.get(cache)
    val out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Paths.get(path)), 1 << 20))
    try {
      for (parts <- rdd.partitions.indices.grouped(Driver.Together)) {
        val blocks = sc.runJob(rdd, (blocks: Iterator[Block]) => blocks.map(_._2).toArray, parts)
        for (block <- blocks.iterator.flatten) {
          out.writeInt(block.length)
          out.write(block)
        }
      }
    } finally out.close()
  }

  /** The bytes of a kept dataset, as far as they are known. */
  def size(cache: Long): Long = {
    val rdd = kept.get(cache)
    sc.getRDDStorageInfo.find(_.id == rdd.id).fold(0L)(info => info.memSize + info.diskSize)
  }

  /** Forgets a kept dataset. */
  def release(cache: Long): Unit = Option(kept.remove(cache)).foreach(_.unpersist(blocking = false))

  /** Gives everything back. */
  def close(): Unit = {
    runs.values.forEach(run => sc.cancelJobGroup(run.group))
    if (!sc.isStopped) {
      kept.values.forEach(_.unpersist(blocking = false))
      sc.removeSparkListener(faults)
    }
    kept.clear()
  }

  private def settings: Settings = {
    val conf = sc.getConf
    val slots = sc.master match {
      case Driver.LocalCluster(cores) => cores.toInt
      case _ if sc.isLocal => sc.defaultParallelism
      case _ => conf.getInt("spark.executor.cores", 1)
    }
    Settings(slots, conf.getSizeAsBytes("spark.nestflow.memory", "512m"))
  }

  /** One job on a thread of its own. */
  private final class Run(val group: String, job: Job) extends Thread(group) {
    val ended = new CountDownLatch(1)
    val error = new AtomicReference[String]
    setDaemon(true)

    override def run(): Unit =
      try {
        sc.setJobGroup(group, job.stages.lastOption.fold("nestflow")(_.name), interruptOnCancel = false)
        execute()
        error.set("")
      } catch {
        case failed: Throwable =>
          job.results.flatMap(_.cache).foreach(release)
          // What was cancelled for an error has that one as its cause.
          error.set(Fault.of(failed).orElse(awaited).getOrElse(Fault.describe(failed)))
      } finally ended.countDown()

    /** The listener is told of an error at about the same time as this thread. */
    private def awaited: Option[String] = {
      val until = System.nanoTime + Driver.Patience
      var found = faults.take(group)
      while (found.isEmpty && System.nanoTime < until) {
        Thread.sleep(10)
        found = faults.take(group)
      }
      found
    }

    private def execute(): Unit = {
      val shells = mutable.ArrayBuffer.empty[StageRDD]
      val shuffles = mutable.Map.empty[Int, RDD[Block]]
      def shuffled(stage: Int) = shuffles.getOrElseUpdate(stage, {
        val rdd = Channels.shuffled(shells(stage), job.stages(stage).channels)
        rdd.setName(job.stages(stage).name)
      })
      for (stage <- job.stages) {
        sc.setCallSite(stage.site)
        val reads = stage.inputs.zipWithIndex.map { case (input, number) =>
          val parent = input match {
            case OfStage(from) => shuffled(from)
            case OfKept(cache) => kept.get(cache)
          }
          new Reads(parent, stage.tasks.map(_.reads(number)))
        }
        val shell = new StageRDD(sc, stage.bytes, stage.tasks, reads, job.settings)
        shells += shell.setName(stage.name).asInstanceOf[StageRDD]
      }
      val results = job.results.map { result =>
        val rdd = result.channels match {
          case Some((from, until)) => new ChannelsRDD(shuffled(result.stage), from, until)
          case None => shells(result.stage)
        }
        for (cache <- result.cache) kept.put(cache, rdd.persist(StorageLevel.MEMORY_AND_DISK))
        rdd
      }
      if (results.nonEmpty) {
        val all: RDD[Block] = if (results.size == 1) results.head else sc.union(results)
        sc.runJob(all, (blocks: Iterator[Block]) => blocks.foreach(_ => ()))
      }
      sc.clearCallSite()
    }

    /** Stages, tasks and tasks that are done. */
    def progress: Array[Int] = {
      val tracker = sc.statusTracker
      val stages = tracker.getJobIdsForGroup(group).flatMap(tracker.getJobInfo(_)).flatMap(_.stageIds)
      val infos = stages.flatMap(tracker.getStageInfo(_))
      Array(stages.length, infos.map(_.numTasks).sum, infos.map(_.numCompletedTasks).sum)
    }
  }
}

private object Driver {
  private val LocalCluster = """local-cluster\[\s*\d+\s*,\s*(\d+)\s*,\s*\d+\s*\]""".r

  /** Parts of a kept dataset that are fetched at a time. */
  private val Together = 64

  /** Nanoseconds that a failed run waits to be told why. */
  private val Patience = 500L * 1000 * 1000
}
