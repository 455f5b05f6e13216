// The shim for Spark: one source tree, one project per line of Spark and version of Scala. Nothing is
// bundled: all dependencies are Spark's own. `scripts/jar` puts them beside the native library.

ThisBuild / scalaVersion := "2.13.16"

def line(name: String, spark: String, scala: String, oldestJava: String): Project =
  Project(name, file(s"target/sbt/$name")).settings(
    organization := "nestflow",
    version := "0.1.0",
    scalaVersion := scala,
    libraryDependencies += "org.apache.spark" %% "spark-sql" % spark % Provided,
    Compile / unmanagedSourceDirectories := {
      val sources = (ThisBuild / baseDirectory).value / "scala-shim" / "src" / "main"
      Seq(sources / "scala", sources / "java")
    },
    scalacOptions ++= Seq("-deprecation", "-feature", "-unchecked", "-Xlint:-unused", "-release", oldestJava),
    javacOptions ++= Seq("--release", oldestJava, "-Xlint:all,-serial,-processing,-classfile,-options"),
    Compile / packageDoc / publishArtifact := false,
  )

lazy val spark35 = line("spark35", "3.5.9", "2.12.20", "8")
lazy val spark35_213 = line("spark35_213", "3.5.9", "2.13.16", "8")
lazy val spark4 = line("spark4", "4.2.0", "2.13.16", "17")
