package nestflow.spark

import java.io.{IOException, InputStream}
import java.nio.channels.FileChannel
import java.nio.file.{FileAlreadyExistsException, Path, Paths, Files => LocalFiles}
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.nio.file.StandardOpenOption.{CREATE, WRITE}
import java.nio.file.attribute.PosixFilePermissions
import java.security.DigestInputStream
import scala.collection.mutable
import org.apache.commons.codec.binary.Hex
import org.apache.commons.codec.digest.DigestUtils
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileUtil, Path => RemotePath}

/** An archive that is unpacked once on each machine; `key`: see `Content`, `unpacked`: the bytes that it comes to, at most. */
private[spark] final case class Parcel(name: String, uri: String, hash: String, key: String, unpacked: Long) {

  /** Where it lies unpacked below `cache`. Another process may be at it, or may have been killed there. */
  def place(cache: Path, hadoop: Configuration): Path =
    whole(cache.resolve(name), cache, name)(_ => unpack(cache.resolve(name), hadoop))

  /** Where YARN has unpacked it, which knows nothing of hashes: all files are read once for each such place. */
  def brought(by: Path, cache: Path): Path =
    whole(by.toRealPath(), cache, s"$name-${DigestUtils.sha256Hex(by.toRealPath().toString).take(16)}") { damaged =>
      throw new IOException(s"$by is damaged ($damaged): this node's manager has to fetch $uri anew")
    }

  private def whole(tree: Path, cache: Path, mark: String)(repair: IOException => Unit): Path = name.intern.synchronized {
    // The lock is the process's, and ends with it.
    val lock = FileChannel.open(Parcel.own(cache, name).resolve(s"$name.lock"), CREATE, WRITE)
    try {
      lock.lock()
      new Content(tree, key).ensure(cache.resolve(s"$mark.mark"))(repair)
    } finally lock.close()
    tree
  }

  private def unpack(tree: Path, hadoop: Configuration): Unit = {
    val (part, archive) = (tree.resolveSibling(s"$name.part"), tree.resolveSibling(s"$name.archive"))
    Seq(tree, part).foreach(path => FileUtil.fullyDelete(path.toFile))
    val local = Paths.get(uri.split('/').last) // where Spark or YARN has put it, if they were told to
    val remote = new RemotePath(uri)
    val here = LocalFiles.exists(local)
    val source = if (here) LocalFiles.newInputStream(local) else remote.getFileSystem(hadoop).open(remote)
    Parcel.copy(source, archive, hash, uri)
    val stream = LocalFiles.newInputStream(archive)
    try extract(new TarArchiveInputStream(new GzipCompressorInputStream(stream, true)), part)
    finally stream.close()
    LocalFiles.delete(archive)
    good(new Content(part, key).check())
    LocalFiles.move(part, tree)
  }

  private def good[A](content: => A): A =
    try content catch { case error: IOException => throw Parcel.damaged(uri, error.getMessage) }

  /** The list comes first, and is that which the client knows: nothing is written that does not stand there. */
  private def extract(tar: TarArchiveInputStream, to: Path): Unit = {
    val content = new Content(to, key)
    val files = mutable.LinkedHashSet.empty[Path]
    var room = unpacked
    // Not `getNextEntry`, which gives another type in the library of each Spark.
    for (entry <- Iterator.continually(tar.getNextTarEntry).takeWhile(_ != null)) {
      val path = to.resolve(entry.getName).normalize
      val linked = if (entry.isLink) Some(to.resolve(entry.getLinkName)) else None
      val listed = if (files.isEmpty) path == content.list else path.startsWith(to) && good(content.paths)(path)
      if (!listed || files(path) || entry.isSparse || !linked.fold(entry.getLinkFlag == '0')(files))
        throw new IOException(s"$uri has an entry that is not allowed: ${entry.getName}")
      room -= entry.getSize
      if (room < 0) throw new IOException(s"$uri holds more than the $unpacked bytes of its manifest")
      LocalFiles.createDirectories(path.getParent)
      linked.fold { LocalFiles.copy(tar, path): Any }(LocalFiles.createLink(path, _))
      if ((entry.getMode & 64) != 0) path.toFile.setExecutable(true)
      files += path
    }
  }
}

private[spark] object Parcel {
  /** Copies what has the SHA-256 that it should have. */
  def copy(from: InputStream, to: Path, hash: String, what: String): Unit = {
    val digest = DigestUtils.getSha256Digest
    try LocalFiles.copy(new DigestInputStream(from, digest), to, REPLACE_EXISTING)
    finally from.close()
    val found = Hex.encodeHexString(digest.digest)
    if (found != hash) {
      LocalFiles.delete(to)
      throw damaged(what, s"its SHA-256 is $found, not $hash")
    }
  }

  private def damaged(what: String, how: String) =
    new IOException(s"$what is damaged: $how; reprepare_cache_archive=True makes it anew")

  /** A folder that nobody else may write to: what lies there is run. An environment is nobody else's to read, too. */
  private def own(folder: Path, parcel: String): Path = {
    val mine = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"))
    LocalFiles.createDirectories(folder.getParent)
    try LocalFiles.createDirectory(folder, mine) catch { case _: FileAlreadyExistsException => () }
    val probe = LocalFiles.createTempFile(folder, "probe", "")
    val owned = LocalFiles.getOwner(probe) == LocalFiles.getOwner(folder)
    LocalFiles.delete(probe)
    val rights = PosixFilePermissions.toString(LocalFiles.getPosixFilePermissions(folder))
    if (!owned || LocalFiles.isSymbolicLink(folder) || !rights.matches("rwx.-..-."))
      throw new IOException(s"others may write to $folder: nothing in it is run")
    if (parcel.startsWith("environment-") && rights != "rwx------")
      throw new IOException(s"others may read $folder: an environment needs one with the rights 0700")
    folder
  }
}
