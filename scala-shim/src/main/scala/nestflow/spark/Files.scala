package nestflow.spark

import java.io.{FileNotFoundException, IOException}
import java.nio.ByteBuffer
import java.security.PrivilegedExceptionAction
import java.util.concurrent.{ConcurrentHashMap, ConcurrentLinkedQueue}
import java.util.concurrent.atomic.AtomicLong
import scala.util.control.NonFatal
import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs._
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.hadoop.hdfs.DistributedFileSystem
import org.apache.hadoop.security.{AccessControlException, UserGroupInformation}

/** What is wrong with a file, as `runtime/src/io/remote_storage.rs` reads it: a kind and a text. */
final class FileFault(kind: String, text: String) extends IOException(s"$kind:$text")

/** Hadoop's file systems for native code, and for the client; made where the user of the task is known,
  * called from any thread. */
final class Files(configuration: Configuration) {
  private val user = UserGroupInformation.getCurrentUser
  private val loader = Thread.currentThread.getContextClassLoader

  /** Does what `runtime/src/io/remote_storage.rs` asks for; an answer about files is JSON. */
  def ask(operation: String, path: String, other: String): String = within {
    operation match {
      case "resolve" => system(path).makeQualified(at(path)).toString
      case "home" => holdsHome(system(path), at(path)).toString
      case "stat" => status(path).map(described(_).toString).orNull
      case "list" => listed(path)
      case "hosts" => hosts(at(path))
      case "checksums" => checksums(at(path))
      case "create_directory" =>
        val rights = if (other.isEmpty) FsPermission.getDirDefault else new FsPermission(other)
        check(system(path).mkdirs(at(path), rights), "no directory can be made")
      case "rename" => rename(at(path), at(other))
      case "remove_tree" => done(system(path).delete(at(path), true))
      case "remove_empty" =>
        val empty = try system(path).listStatus(at(path)).isEmpty catch { case _: FileNotFoundException => false }
        done(empty && system(path).delete(at(path), false))
      case "claim" => Claims.take(system(path), at(path), create = other == "create").map(_.toString).orNull
      case "copy" => copy(at(path), at(other))
      case "release" => done(Claims.release(other.toLong))
    }
  }

  def open(path: String): FileReader = within(new FileReader(this, system(path).open(at(path))))

  /** Without the folders above it: those that are gone belong to a run that has ended. */
  def create(path: String): FileWriter =
    within(new FileWriter(this, system(path).createFile(at(path)).overwrite(false).build()))

  private def at(text: String): Path = {
    val path = new Path(text)
    if (path.toUri.getPath.isEmpty) new Path(path, "/") else path
  }

  /** The file system of a path. */
  def system(path: String): FileSystem = Files.system(at(path), configuration, user)

  private def status(path: String): Option[FileStatus] =
    try Some(system(path).getFileStatus(at(path)))
    catch { case _: FileNotFoundException => None }

  private def listed(path: String): String = {
    val all = Files.json.createArrayNode
    system(path).listStatus(at(path)).foreach(status => all.add(described(status)))
    all.toString
  }

  private def described(status: FileStatus): ObjectNode = {
    // The times of a store that has tags are not the same in a listing and for one file.
    val version = status match {
      case tagged: EtagSource => Option(tagged.getEtag).fold("")(_.replace("\"", ""))
      case _ => java.time.Instant.ofEpochMilli(status.getModificationTime).toString
    }
    Files.json.createObjectNode
      .put("directory", status.isDirectory)
      .put("size", status.getLen)
      .put("version", version)
      .put("path", status.getPath.toString)
  }

  /** The blocks of a file: where each begins and ends, and the hosts that have it. */
  private def hosts(path: Path): String = {
    val all = Files.json.createArrayNode
    val from = system(path.toString)
    // Some stores say that their blocks have 0 bytes or 1, and would list as many as the file has bytes.
    val file = Some(from.getFileStatus(path)).filter(_.getBlockSize >= Files.LeastBlock)
    for (block <- file.toSeq.flatMap(from.getFileBlockLocations(_, 0, Long.MaxValue).toSeq)) {
      val hosts = all.addArray.add(block.getOffset).add(block.getOffset + block.getLength).addArray
      block.getHosts.foreach(hosts.add)
    }
    all.toString
  }

  /** The CRC32C of each file in a folder, where the file system knows them without reading: HDFS, from its blocks. */
  private def checksums(folder: Path): String = {
    val all = Files.json.createObjectNode
    if (folder.getFileSystem(configuration).isInstanceOf[DistributedFileSystem]) {
      val asking = new Configuration(configuration)
      asking.set("dfs.checksum.combine.mode", "COMPOSITE_CRC")
      // The client that others share says something else of a file.
      val own = FileSystem.newInstance(folder.toUri, asking)
      try {
        // An attempt that nobody waits for may still write, or be removed.
        def sum(file: FileStatus): Unit = try own.getFileChecksum(file.getPath) match {
          case sum: CompositeCrcFileChecksum if sum.getAlgorithmName == "COMPOSITE-CRC32C" =>
            all.synchronized(all.put(file.getPath.getName, ByteBuffer.wrap(sum.getBytes).getInt & 0xffffffffL))
          case _ => ()
        } catch { case _: IOException => () }
        java.util.Arrays.stream(own.listStatus(folder)).parallel().forEach(sum(_))
      } finally own.close()
    }
    all.toString
  }

  private def holdsHome(system: FileSystem, path: Path): Boolean =
    Seq(system.getHomeDirectory, system.getWorkingDirectory).exists { home =>
      Iterator.iterate(system.makeQualified(home))(_.getParent).takeWhile(_ != null).contains(path)
    }

  /** Hadoop's plain rename would move something into a folder that is there; HDFS can be told not to. */
  private def rename(from: Path, to: Path): String = Files.system(from, configuration, user) match {
    case hdfs: DistributedFileSystem =>
      hdfs.rename(from, to, Options.Rename.NONE)
      null
    case system =>
      if (system.exists(to)) throw new FileAlreadyExistsException(s"$to is there already")
      check(system.rename(from, to), s"it cannot be renamed to $to")
  }

  /** As plain bytes on this machine: no file of checksums beside. */
  private def copy(from: Path, to: Path): String = {
    def local(path: Path) = path.toUri.getScheme == null || path.toUri.getScheme == "file"
    def here(path: Path) = new Path("file", null, path.toUri.getPath)
    if (local(from)) {
      system(to.toString).copyFromLocalFile(false, true, here(from), to)
      system(to.toString).setPermission(to, Files.OnlyMine)
    } else system(from.toString).copyToLocalFile(false, from, here(to), true)
    null
  }

  private def check(success: Boolean, otherwise: String): String =
    if (success) null else throw new IOException(otherwise)

  private def done(result: Boolean): String = null

  /** Runs `body` as the user and with the classes of the thread that made this: native threads have neither. */
  private[spark] def within[T](body: => T): T = {
    val thread = Thread.currentThread
    val before = thread.getContextClassLoader
    thread.setContextClassLoader(loader)
    try user.doAs(new PrivilegedExceptionAction[T] { override def run(): T = body })
    catch { case NonFatal(error) => throw Files.fault(error) }
    finally thread.setContextClassLoader(before)
  }
}

private object Files {
  private val json = new ObjectMapper

  /** Where blocks are smaller than this, it does not matter where they lie. */
  private val LeastBlock = 4096L

  private val OnlyMine = new FsPermission("600")

  /** The setting that tells which settings are those of a client of ours, beside the application's. */
  val Own = "nestflow.hadoop_conf"
  private val systems = new ConcurrentHashMap[(String, String, UserGroupInformation), FileSystem]

  /** Hadoop's own cache looks at the address and the user only: it would give a client with other settings. */
  private def system(path: Path, configuration: Configuration, user: UserGroupInformation): FileSystem =
    Option(configuration.get(Own)) match {
      case None => path.getFileSystem(configuration)
      case Some(own) =>
        val uri = if (path.toUri.getScheme == null) FileSystem.getDefaultUri(configuration) else path.toUri
        val place = s"${uri.getScheme}://${Option(uri.getAuthority).getOrElse("")}"
        systems.computeIfAbsent((own, place, user), _ => FileSystem.newInstance(uri, configuration))
    }

  private def fault(error: Throwable): FileFault = error match {
    case fault: FileFault => fault
    case wrapped: java.lang.reflect.UndeclaredThrowableException if wrapped.getCause != null => fault(wrapped.getCause)
    case _ =>
      val kind = error match {
        case _: FileNotFoundException => "missing"
        case _: AccessControlException | _: java.nio.file.AccessDeniedException => "denied"
        case _: FileAlreadyExistsException => "exists"
        case _ => "other"
      }
      // What follows the first line is the stack of some server.
      val text = Option(error.getMessage).flatMap(_.linesIterator.toSeq.headOption).getOrElse(error.getClass.getName)
      new FileFault(kind, text)
  }
}

/** Reads ranges of a file into a buffer that native code copies from: a direct one where the stream takes
  * it, else an array. */
final class FileReader(files: Files, stream: FSDataInputStream) {
  private val direct: ByteBuffer =
    if (stream.hasCapability(StreamCapabilities.READBYTEBUFFER)) Buffers.take() else null
  private val array: Array[Byte] = if (direct == null) new Array[Byte](Buffers.Size) else null

  /** One of the two, the other is null. */
  def buffer: ByteBuffer = direct
  def bytes: Array[Byte] = array

  /** How many bytes are in the buffer now, from its start; 0: the end of the file. */
  def read(offset: Long, wanted: Int): Int = files.within {
    if (stream.getPos != offset) stream.seek(offset)
    val most = math.min(wanted, Buffers.Size)
    val read = if (direct == null) stream.read(array, 0, most) else {
      direct.clear()
      direct.limit(most)
      stream.read(direct)
    }
    math.max(read, 0)
  }

  /** Nobody looks into the buffer from here on. */
  def close(): Unit = {
    if (direct != null) Buffers.give(direct)
    files.within(stream.close())
  }
}

/** Direct buffers, used again: the JVM frees them late. */
private object Buffers {
  val Size: Int = 1 << 20
  private val free = new ConcurrentLinkedQueue[ByteBuffer]

  def take(): ByteBuffer = Option(free.poll()).getOrElse(ByteBuffer.allocateDirect(Size))

  def give(buffer: ByteBuffer): Unit = free.add(buffer)
}

/** Writes what native code has put into the array. */
final class FileWriter(files: Files, stream: FSDataOutputStream) {
  val bytes: Array[Byte] = new Array[Byte](256 << 10)

  def write(count: Int): Unit = files.within(stream.write(bytes, 0, count))

  /** What was written is there for others only after this. */
  def close(): Unit = files.within(stream.close())
}

/** Files that are held open for writing as a sign of life: HDFS takes that from a dead process after a minute. */
private object Claims {
  private val held = new ConcurrentHashMap[Long, FSDataOutputStream]
  private val next = new AtomicLong(1)

  def take(system: FileSystem, path: Path, create: Boolean): Option[Long] = {
    val stream =
      if (create) Some(system.create(path, true))
      else try Some(system.append(path))
      catch {
        // Held by somebody, or a file system that cannot tell.
        case _: IOException | _: UnsupportedOperationException => None
      }
    stream.map { open =>
      val number = next.getAndIncrement()
      held.put(number, open)
      number
    }
  }

  def release(number: Long): Boolean =
    try { Option(held.remove(number)).foreach(_.close()); true }
    catch { case _: IOException => false } // its file has gone first
}
