package nestflow.spark

import java.io.{BufferedOutputStream, ByteArrayOutputStream, OutputStream}
import java.nio.ByteBuffer
import java.nio.file.{Paths, Files => LocalFiles}
import java.util.{List => JavaList, Map => JavaMap}
import java.util.concurrent.{ConcurrentHashMap, CountDownLatch, TimeUnit}
import java.util.concurrent.atomic.AtomicLong
import scala.collection.JavaConverters._
import scala.collection.mutable
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.apache.spark.{SparkException, SparkContext, TaskContext}
import org.apache.spark.api.java.{JavaRDD, JavaSparkContext}
import org.apache.spark.nestflow.TaskMemory
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.storage.StorageLevel
import org.apache.spark.util.{CollectionAccumulator, SerializableConfiguration}
import Channels.Block

/** What the Python client calls. Turns a job's description into RDDs, as it stands there. */
final class Driver(java: JavaSparkContext) {
  private val sc: SparkContext = java.sc
  private val faults = new Faults(sc)
  private val kept = new ConcurrentHashMap[Long, Kept]
  private val runs = new ConcurrentHashMap[Long, Run]
  private val next = new AtomicLong(1)
  private val id = java.hashCode.toHexString + System.nanoTime.toHexString

  /** Settings of Hadoop's that this client brings. */
  private val own = new Configuration(false)
  @volatile private var settings = Settings(1, 0, lent = false, Place("", "", "", Nil))

  sc.addSparkListener(faults)

  /** Settings of Hadoop's beside the application's, for the files of this client's jobs: a file, or null. */
  def configure(file: String, settings: JavaMap[String, String]): Unit = {
    if (file != null) own.addResource(new Path(file))
    settings.forEach((name, value) => own.set(name, value))
  }

  /** What executors run: each archive is a name, an address, two hashes and the bytes that it comes to. */
  def place(library: String, hash: String, cache: String, parcels: JavaList[JavaList[String]]): Unit = {
    val each = parcels.asScala.map(of => Parcel(of.get(0), of.get(1), of.get(2), of.get(3), of.get(4).toLong))
    settings = settings.copy(place = Place(library, hash, cache, each.toList))
  }

  /** Those, over the application's as they are now. */
  private def hadoop: Configuration = {
    val all = new Configuration(sc.hadoopConfiguration)
    val texts = mutable.SortedSet.empty[String]
    own.forEach { setting =>
      all.set(setting.getKey, setting.getValue)
      texts += setting.toString
    }
    if (texts.nonEmpty) all.set(Files.Own, texts.mkString("\n"))
    all
  }

  /** What an executor has for the tasks that run at a time in it. */
  def sized(slots: Int, memory: Long, lent: Boolean): Unit = settings = Settings(slots, memory, lent, settings.place)

  /** Starts a job; its bytes are in a file. Gives the number of the run. */
  def start(description: String, bytes: String): Long = {
    val job = Job.parse(description, LocalFiles.readAllBytes(Paths.get(bytes)), settings)
    if (job.build != Library.buildId)
      throw new IllegalStateException(
        s"the package nestflow is of build ${job.build}, but the jar of build ${Library.buildId}")
    started(job.stages.lastOption.fold("nestflow")(_.name), job.stages.size)(execute(job, _))
  }

  /** Starts to write the blocks of a kept dataset, in any order, each with its length in front. */
  def fetch(cache: Long, path: String): Long = started("nestflow: fetch", 0)(_ => write(cache, path))

  private def started(name: String, stages: Int)(body: Run => Unit): Long = {
    val number = next.getAndIncrement()
    val run = new Run(s"${Fault.Group}$id-$number", name, stages, body)
    runs.put(number, run)
    run.start()
    number
  }

  /** Waits a little for the end of a run: null, or "" for success, or the description of its error. */
  def poll(number: Long, millis: Long): String = {
    val run = runs.get(number)
    if (run.ended.await(millis, TimeUnit.MILLISECONDS)) return run.error
    // A job that was not there yet when it was cancelled may be there now.
    if (run.cancelled) sc.cancelJobGroup(run.group)
    null
  }

  /** What user functions counted in a run that succeeded, each task once: a list of JSON. */
  def counts(number: Long): String = runs.get(number).counts.value.asScala.toMap.values.mkString("[", ",", "]")

  /** What the tasks of each stage of a run have done, in the order of `Native.progress`. */
  def metrics(number: Long): Array[Long] = runs.get(number).metrics.flatMap(_.values).toArray

  /** Forgets a run, and gives what its tasks reported: blocks, each with its length in front. */
  def reports(number: Long): Array[Byte] = {
    val run = runs.get(number)
    // One that goes on although it was given up is known until the end.
    if (run.ended.getCount == 0) runs.remove(number)
    run.reported.toByteArray
  }

  /** How far a run is: stages, tasks, tasks that are done. */
  def progress(number: Long): Array[Int] = Option(runs.get(number)).fold(Array.empty[Int])(_.progress)

  /** Ends a run; `poll` says when it has. */
  def cancel(number: Long): Unit = runs.get(number).cancel()

  private def write(cache: Long, path: String): Unit = {
    val data = kept.get(cache)
    val out = new BufferedOutputStream(LocalFiles.newOutputStream(Paths.get(path)), 1 << 20)
    def fetch(parts: Range, from: Long, most: Int): Array[Array[Byte]] =
      sc.runJob(data.rdd, (blocks: Iterator[Block]) => Driver.slice(blocks, from, most), parts)
    def whole(part: Int): Unit =
      Iterator.iterate(0L)(_ + Driver.Together).map(fetch(part to part, _, Driver.Together).head)
        .find { piece => out.write(piece); piece.length < Driver.Together }
    try {
      var part = if (data.small.isDefined) data.parts.size else 0
      data.small.foreach(_.foreach(Driver.put(out, _)))
      while (part < data.parts.size) {
        // As many as are few bytes together; one that is more comes piece by piece.
        val few = data.parts.drop(part).scanLeft(0L)(_ + _.bytes).tail.takeWhile(_ <= Driver.Together).size
        if (few > 0) fetch(part until part + few, 0, Int.MaxValue).foreach(out.write(_)) else whole(part)
        part += math.max(few, 1)
      }
    } finally out.close()
  }

  /** Takes an RDD for a kept dataset whose bytes are in one of Spark's forms; gives the number of its parts. */
  def adopt(cache: Long, elements: RDD[Array[Byte]]): Int = {
    // There is a task where there is no part.
    val parts = if (elements.partitions.isEmpty) sc.parallelize(Seq.empty[Array[Byte]], 1) else elements
    kept.put(cache, Kept(Frames.blocks(parts), Seq.fill(parts.partitions.length)(Driver.Unknown), Nil))
    parts.partitions.length
  }

  /** A kept dataset in a form of Spark's as an RDD: of the bytes, or of the rows that they are. */
  def elements(cache: Long): JavaRDD[Array[Byte]] = kept.get(cache).rdd.map(_._2).toJavaRDD()
  def rows(cache: Long): RDD[InternalRow] = Frames.rows(kept.get(cache).rdd.map(_._2))

  /** The bytes of a kept dataset. */
  def size(cache: Long): Long = kept.get(cache).bytes

  /** Forgets a kept dataset. */
  def release(cache: Long): Unit = Option(kept.remove(cache)).foreach(_.release())

  /** Files as tasks see them. */
  def files: Files = new Files(hadoop)

  /** Tasks that an executor holds, bytes that these have taken, bytes that native code has allocated, and bytes
    * borrowed of Spark: the most of any executor. Asks that many tasks, wherever they run. */
  def held(asked: Int): Array[Long] = {
    val where = settings.place
    val counts = sc.runJob(sc.parallelize(0 until asked, asked), (_: Iterator[Int]) => {
      val counts = new Array[Long](3)
      Library.ready(where, new Configuration)
      Native.held(counts)
      counts :+ TaskMemory.used
    })
    counts.transpose.map(_.max)
  }

  /** Gives everything back. */
  def close(): Unit = {
    runs.values.forEach(_.cancel())
    if (!sc.isStopped) {
      kept.values.forEach(_.release())
      sc.removeSparkListener(faults)
    }
    kept.clear()
  }

  /** What was cancelled for an error has that one as its cause, and the listener is told of it at about the same
    * time as who waits. */
  private def explained(failed: Throwable, group: String): String = Fault.of(failed).getOrElse {
    val until = System.nanoTime + Driver.Patience
    var found = faults.of(group)
    while (found.isEmpty && System.nanoTime < until) { Thread.sleep(10); found = faults.of(group) }
    found.getOrElse(Fault.describe(failed, faults.lostOf(group)))
  }

  /** What a job of stages comes to: its outputs, what is kept of it, and reports. */
  private def execute(job: Job, run: Run): Unit = {
    val far = job.remoteFiles || job.settings.place.parcels.exists(!_.uri.startsWith("file:"))
    val configuration = if (far) Some(sc.broadcast(new SerializableConfiguration(hadoop))) else None
    val shells = mutable.ArrayBuffer.empty[StageRDD]
    val shuffles = mutable.Map.empty[Int, RDD[Block]]
    def shuffled(stage: Int) = shuffles.getOrElseUpdate(stage, {
      val rdd = Channels.shuffled(shells(stage), job.stages(stage).channels, job.stages(stage).everywhere)
      rdd.setName(job.stages(stage).name)
    })
    for (stage <- job.stages) {
      sc.setCallSite(stage.site)
      val reads = stage.inputs.zipWithIndex.map { case (input, number) =>
        val parent = input match {
          case OfStage(from) => shuffled(from)
          case OfKept(cache) => kept.get(cache).rdd
        }
        new Reads(parent, stage.tasks.map(_.reads(number)))
      }
      val metrics = run.metrics(shells.size)
      val shell = new StageRDD(sc, stage.bytes, stage.tasks, reads, job.settings, configuration, run.counts, metrics)
      shells += shell.setName(stage.name).asInstanceOf[StageRDD]
    }
    val results = job.results.map { result =>
      val rdd = result.channels match {
        case Some((from, until)) => new ChannelsRDD(shuffled(result.stage), from, until)
        case None => shells(result.stage)
      }
      if (result.cache.isDefined) rdd.persist(StorageLevel.MEMORY_AND_DISK) else rdd
    }
    val everywhere = shuffles.collect { case (stage, rdd) if job.stages(stage).everywhere.nonEmpty => rdd }.toSeq
    try {
      val all: RDD[Block] = if (results.size == 1) results.head else sc.union(results)
      // Reports are few and small, and all of them are wanted.
      val reporting = job.results.zip(results).flatMap { case (result, rdd) =>
        rdd.partitions.map(_ => result.kind == "files")
      }.toArray
      val drain = (context: TaskContext, blocks: Iterator[Block]) => Driver.drain(blocks, reporting(context.partitionId()))
      if (run.cancelled) throw new SparkException("the run was cancelled")
      val parts = if (results.isEmpty) Array.empty[Part] else sc.runJob(all, drain)
      var next = 0
      for ((result, rdd) <- job.results.zip(results)) {
        val own = parts.slice(next, next + rdd.partitions.length)
        next += own.length
        result.cache.foreach(kept.put(_, Kept(rdd, own.toSeq, everywhere)))
        if (result.kind == "files") own.flatMap(_.blocks).flatten.foreach(Driver.put(run.reported, _))
      }
    } catch {
      case failed: Throwable =>
        results.foreach(_.unpersist(blocking = false))
        throw failed
    } finally everywhere.foreach(_.unpersist(blocking = false))
  }

  /** One job on a thread of its own: the job group of a thread that calls is somebody else's. */
  private final class Run(val group: String, name: String, stages: Int, body: Run => Unit) extends Thread(group) {
    val ended = new CountDownLatch(1)
    val counts: CollectionAccumulator[StageRDD.Counted] = sc.collectionAccumulator[StageRDD.Counted]
    val metrics: IndexedSeq[Metrics] = IndexedSeq.fill(stages)(Metrics.of(sc))
    val reported = new ByteArrayOutputStream
    /** Nothing only where all went well: whatever ends this thread otherwise, the run has failed. */
    @volatile var error: String = Fault.describe(new SparkException("the run has failed, and cannot say why"), None)
    @volatile var cancelled = false
    setDaemon(true)

    override def run(): Unit =
      try {
        faults.watch(group)
        sc.setJobGroup(group, name, interruptOnCancel = false)
        body(this)
        error = ""
      } catch { case failed: Throwable => error = explained(failed, group) }
      finally {
        faults.forget(group)
        ended.countDown()
      }

    def cancel(): Unit = {
      cancelled = true
      sc.cancelJobGroup(group)
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

/** What a part of a result came to: its bytes, and its blocks if these are few. */
private[spark] final case class Part(bytes: Long, blocks: Option[Array[Array[Byte]]])

/** A kept dataset. */
private final case class Kept(rdd: RDD[Block], parts: Seq[Part], everywhere: Seq[RDD[Block]]) {
  val bytes: Long = if (parts.contains(Driver.Unknown)) Long.MaxValue else parts.map(_.bytes).sum
  /** Its blocks if these are few. */
  val small: Option[Seq[Array[Byte]]] =
    if (parts.forall(_.blocks.isDefined) && bytes <= Driver.Small) Some(parts.flatMap(_.blocks.get)) else None

  /** Frees it, and what executors fetched to make lost parts of it again. */
  def release(): Unit = (rdd +: everywhere).foreach(_.unpersist(blocking = false))
}

private object Driver {
  /** So few bytes of a result, and of each of its parts, come back with the end of the job. */
  val Small: Long = 4L << 20
  private val SmallPart = 128L << 10

  /** A part of which nothing is known. */
  val Unknown: Part = Part(Long.MaxValue, None)

  /** A block with its length in front. */
  private def framed(block: Array[Byte]) = Seq(ByteBuffer.allocate(4).putInt(block.length).array, block)
  def put(out: OutputStream, block: Array[Byte]): Unit = framed(block).foreach(out.write(_))

  /** Runs a task of the last stage to its end, and brings all of its blocks back, or few. */
  def drain(blocks: Iterator[Block], all: Boolean): Part = {
    val few = mutable.ArrayBuffer.empty[Array[Byte]]
    var bytes = 0L
    for ((_, block) <- blocks) {
      bytes += block.length
      if (all || bytes <= SmallPart) few += block else few.clear()
    }
    Part(bytes, if (all || bytes <= SmallPart) Some(few.toArray) else None)
  }

  /** Bytes of a kept dataset that are fetched at a time. */
  private val Together = 16 << 20

  /** From blocks, each with its length in front: so many bytes at most, from a place on. */
  def slice(blocks: Iterator[Block], from: Long, most: Int): Array[Byte] = {
    val out = new ByteArrayOutputStream
    var at = -from
    for ((_, block) <- blocks.takeWhile(_ => at < most); bytes <- framed(block)) {
      val begin = math.min(math.max(-at, 0), bytes.length).toInt
      out.write(bytes, begin, math.max(math.min(most - at, bytes.length).toInt - begin, 0))
      at += bytes.length
    }
    out.toByteArray
  }

  /** Nanoseconds that a failed run waits to be told why. */
  private val Patience = 500L * 1000 * 1000
}
