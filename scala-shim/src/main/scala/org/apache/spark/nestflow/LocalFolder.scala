package org.apache.spark.nestflow

import java.nio.file.{Files, Path}
import java.util.Comparator

import org.apache.spark.SparkEnv

/** A folder for temporary files among those that Spark uses on this machine; gone with the JVM. */
object LocalFolder {
  lazy val path: String = {
    val local = SparkEnv.get.blockManager.diskBlockManager.localDirs.head.toPath
    val folder = Files.createTempDirectory(local, "nestflow-")
    Runtime.getRuntime.addShutdownHook(new Thread(() => remove(folder)))
    folder.toString
  }

  private def remove(folder: Path): Unit =
    try {
      val files = Files.walk(folder)
      try files.sorted(Comparator.reverseOrder[Path]()).forEach(file => Files.deleteIfExists(file))
      finally files.close()
    } catch {
      case _: java.io.IOException => () // Spark removes its folders too, perhaps just now
    }
}
