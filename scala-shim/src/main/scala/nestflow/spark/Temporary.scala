package nestflow.spark

import java.io.{FileNotFoundException, IOException}
import java.util.UUID

import org.apache.hadoop.fs.{CommonPathCapabilities, FileStatus, FileSystem, FSDataOutputStream, Path}
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.hadoop.security.UserGroupInformation

/** A client's folder in a file system that tasks see, made when it is first wanted. It is the user's alone, and goes
  * with the client; what a dead client left is removed by the next one, a day later.
  */
private[spark] final class Temporary {
  private var made: Option[(FileSystem, Path, FSDataOutputStream)] = None

  /** The folder, inside another one. */
  def in(system: FileSystem, parent: Path): Path = synchronized {
    made.fold {
      val prefix = s"temporary-${UserGroupInformation.getCurrentUser.getShortUserName}-"
      removeDead(system, parent, prefix)
      val folder = new Path(parent, prefix + UUID.randomUUID)
      FileSystem.mkdirs(system, folder, new FsPermission(Temporary.Mine))
      system.deleteOnExit(folder)
      // Held open as a sign of life.
      made = Some((system, folder, system.create(new Path(folder, Temporary.Owner), true)))
      folder
    }(_._2)
  }

  def remove(): Unit = synchronized {
    for ((system, folder, owner) <- made) {
      made = None
      try {
        owner.close()
        system.delete(folder, true)
        system.cancelDeleteOnExit(folder)
      } catch { case _: IOException => () } // the next client will
    }
  }

  private def removeDead(system: FileSystem, parent: Path, prefix: String): Unit =
    try {
      val old = System.currentTimeMillis - Temporary.Day
      system.listStatus(parent).filter(status => status.getPath.getName.startsWith(prefix))
        .filter(_.getModificationTime < old).filter(isDead(system, _))
        .foreach(status => system.delete(status.getPath, true))
    } catch { case _: IOException => () } // it is a courtesy

  /** Nobody holds the sign of life, as far as the file system can tell. */
  private def isDead(system: FileSystem, folder: FileStatus): Boolean = {
    val owner = new Path(folder.getPath, Temporary.Owner)
    if (!system.hasPathCapability(owner, CommonPathCapabilities.FS_APPEND)) return true
    try { system.append(owner).close(); true }
    catch {
      case _: FileNotFoundException => true
      case _: IOException => false
    }
  }
}

private object Temporary {
  val Owner = "owner"
  private val Mine: Short = Integer.parseInt("700", 8).toShort
  private val Day = 24L * 60 * 60 * 1000
}
