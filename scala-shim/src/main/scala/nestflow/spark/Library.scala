package nestflow.spark

import java.nio.file.{Path, Paths, Files => LocalFiles}
import org.apache.hadoop.conf.Configuration
import org.apache.spark.nestflow.LocalFolder

/** What executors run, as the client says: archives below a folder, and the native library, by a path or as
  * a file of the first archive. */
private[spark] final case class Place(library: String, hash: String, cache: String, parcels: Seq[Parcel])

/** Loads the native library, once in each JVM, and checks that it is of the build of this jar. */
private[spark] object Library {
  private var loaded = false

  /** What this jar was built as. */
  lazy val buildId: String = {
    val stream = getClass.getResourceAsStream("/nestflow/build")
    try scala.io.Source.fromInputStream(stream).mkString finally stream.close()
  }

  /** Makes sure that native code can be called, and gives a folder for temporary files in which the archives
    * lie unpacked, by name. */
  def ready(place: Place, hadoop: => Configuration): String = synchronized {
    val folder = Paths.get(LocalFolder.path)
    val cache = Paths.get(place.cache.replace("{user}", System.getProperty("user.name")))
    for (parcel <- place.parcels if !LocalFiles.exists(folder.resolve(parcel.name))) {
      val brought = Paths.get(parcel.name).toAbsolutePath // by YARN, which has unpacked it for the driver too
      val there = sys.env.contains("CONTAINER_ID") && LocalFiles.isDirectory(brought)
      LocalFiles.createSymbolicLink(folder.resolve(parcel.name), if (there) parcel.brought(brought, cache) else parcel.place(cache, hadoop))
    }
    load(place, place.parcels.headOption.fold(Paths.get(place.library))(first => folder.resolve(first.name).resolve(place.library)))
    folder.toString
  }

  private def load(place: Place, path: Path): Unit =
    if (!loaded) {
      // What is loaded is what was checked; nothing is left behind, however the JVM ends.
      val copy = LocalFiles.createTempFile("nestflow-", ".so")
      try {
        Parcel.copy(LocalFiles.newInputStream(path), copy, place.hash, path.toString)
        System.load(copy.toString)
      } finally LocalFiles.deleteIfExists(copy)
      if (Native.buildId() != buildId) {
        throw new IllegalStateException(
          s"the jar of nestflow is of build $buildId, but its native library of build ${Native.buildId()}")
      }
      loaded = true
    }
}
