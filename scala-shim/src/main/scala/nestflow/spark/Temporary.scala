package nestflow.spark

import java.io.IOException
import java.util.UUID
import java.util.concurrent.TimeUnit

import org.apache.hadoop.fs.{CommonPathCapabilities, FileStatus, FileSystem, Path}
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.hadoop.security.UserGroupInformation

/** A client's folder in a file system that tasks see, made when it is first wanted. It is the user's alone, and goes
  * with the client; what a dead client left is removed by the next one, a day later.
  */
private[spark] final class Temporary {
  /** With a claim as a sign of life. */
  private var made: Option[(FileSystem, Path, Long)] = None

  /** The folder, inside another one. */
  def in(system: FileSystem, parent: Path): Path = synchronized {
    made.fold {
      val prefix = s"temporary-${UserGroupInformation.getCurrentUser.getShortUserName}-"
      removeDead(system, parent, prefix)
      val folder = new Path(parent, prefix + UUID.randomUUID)
      FileSystem.mkdirs(system, folder, new FsPermission("700"))
      system.deleteOnExit(folder)
      made = Claims.take(system, new Path(folder, "owner"), create = true).map((system, folder, _))
      folder
    }(_._2)
  }

  def remove(): Unit = synchronized {
    for ((system, folder, owner) <- made) {
      made = None
      try {
        Claims.release(owner)
        system.delete(folder, true)
        system.cancelDeleteOnExit(folder)
      } catch { case _: IOException => () } // the next client will
    }
  }

  private def removeDead(system: FileSystem, parent: Path, prefix: String): Unit =
    try {
      val old = System.currentTimeMillis - TimeUnit.DAYS.toMillis(1)
      system.listStatus(parent).filter(status => status.getPath.getName.startsWith(prefix))
        .filter(_.getModificationTime < old).filter(isDead(system, _))
        .foreach(status => system.delete(status.getPath, true))
    } catch { case _: IOException => () } // it is a courtesy

  /** Nobody holds the sign of life, as far as the file system can tell. */
  private def isDead(system: FileSystem, folder: FileStatus): Boolean = {
    val owner = new Path(folder.getPath, "owner")
    !system.hasPathCapability(owner, CommonPathCapabilities.FS_APPEND) || !system.exists(owner) ||
      Claims.take(system, owner, create = false).exists(Claims.release)
  }
}
