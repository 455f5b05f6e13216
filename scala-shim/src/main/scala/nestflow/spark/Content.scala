package nestflow.spark

import java.io.IOException
import java.nio.file.{Path, Files => LocalFiles}
import java.nio.file.LinkOption.NOFOLLOW_LINKS
import java.util.{Arrays, TreeMap}
import scala.collection.JavaConverters._
import org.apache.commons.codec.digest.DigestUtils

/** The files of an archive in a folder, whoever put them there. One lists the others with their hashes; `key` is its own. */
private[spark] final class Content(tree: Path, key: String) {
  val list: Path = tree.resolve(".nestflow-files") // as `archive.py` names it

  private lazy val files: Array[(Path, String)] = {
    check(list, key)
    val lines = LocalFiles.readAllLines(list).asScala.tail.map(_.split(" ", 3))
    (list, key) +: lines.map(line => (tree.resolve(line(2)), line(0))).toArray
  }

  /** What there should be, if the list is that which it should be. */
  lazy val paths: Set[Path] = files.map(_._1).toSet

  /** Makes sure of all files, except where none was touched since `mark` was written; else does `repair`. */
  def ensure(mark: Path)(repair: IOException => Unit): Unit =
    if (!(try new String(LocalFiles.readAllBytes(mark)) == state catch { case _: IOException => false })) {
      try check() catch { case damaged: IOException => repair(damaged) }
      LocalFiles.write(mark, state.getBytes)
    }

  /** Reads all files. What else is there, somebody has added; it is removed, since an interpreter would load it. */
  def check(): Unit = {
    val all = LocalFiles.walk(tree)
    try all.iterator.asScala.filterNot(path => paths(path) || LocalFiles.isDirectory(path, NOFOLLOW_LINKS)).foreach(LocalFiles.delete)
    finally all.close()
    Arrays.stream(files).parallel().forEach(file => check(file._1, file._2))
  }

  private def check(file: Path, hash: String): Unit = {
    if (!LocalFiles.isRegularFile(file, NOFOLLOW_LINKS)) throw new IOException(s"$file is no file")
    val stream = LocalFiles.newInputStream(file, NOFOLLOW_LINKS)
    val found = try DigestUtils.sha256Hex(stream) finally stream.close()
    if (found != hash) throw new IOException(s"$file is damaged: its SHA-256 is $found, not $hash")
  }

  /** What is another one after any change of a file, also where its size and times were set back. */
  private def state: String = {
    val touched = files.map { case (path, _) => new TreeMap[String, AnyRef](LocalFiles.readAttributes(path, "unix:ino,size,ctime", NOFOLLOW_LINKS)) }
    DigestUtils.sha256Hex(touched.mkString)
  }
}
