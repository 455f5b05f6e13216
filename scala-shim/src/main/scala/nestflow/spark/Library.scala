package nestflow.spark

import java.nio.file.{Path, Paths, StandardCopyOption, Files => LocalFiles}
import java.util.Properties

/** Loads the native library, once in each JVM, and checks that it is of the build of this jar. */
private[spark] object Library {
  private val Place = "/nestflow/native/"

  /** What this jar was built as. */
  lazy val buildId: String = {
    val properties = new Properties
    val stream = getClass.getResourceAsStream(Place + "build.properties")
    if (stream == null) throw new IllegalStateException("this jar of nestflow was built without its library")
    try properties.load(stream)
    finally stream.close()
    properties.getProperty("build")
  }

  private lazy val loaded: Unit = {
    val system = System.getProperty("os.name").toLowerCase.split(" ").head + "-" + System.getProperty("os.arch")
    Option(System.getenv("NESTFLOW_LIBRARY")) match {
      case Some(path) => System.load(path)
      case None => extracted(system)(path => System.load(path.toString))
    }
    val library = Native.buildId()
    if (library != buildId) {
      throw new IllegalStateException(
        s"the jar of nestflow is of build $buildId, but its native library of build $library")
    }
  }

  /** Makes sure that native code can be called. */
  def load(): Unit = loaded

  /** The library is only a file while it is being loaded: nothing is left behind, however the JVM ends. */
  private def extracted(system: String)(use: Path => Unit): Unit = {
    val stream = getClass.getResourceAsStream(s"$Place$system/libnestflow_jni.so")
    if (stream == null) {
      throw new IllegalStateException(s"this jar of nestflow has no native library for $system")
    }
    val folder = LocalFiles.createTempDirectory(Paths.get(System.getProperty("java.io.tmpdir")), "nestflow-jni-")
    val file = folder.resolve("libnestflow_jni.so")
    try {
      LocalFiles.copy(stream, file, StandardCopyOption.REPLACE_EXISTING)
      use(file)
    } finally {
      stream.close()
      LocalFiles.deleteIfExists(file)
      LocalFiles.deleteIfExists(folder)
    }
  }
}
