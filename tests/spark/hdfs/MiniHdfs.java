import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/**
 * An HDFS of one name node and one data node in one process, on this machine only. Prints its address
 * when it is ready, and ends with its standard input, or when it is told to.
 *
 * <p>Blocks are small, so that files of the tests have several.
 */
public final class MiniHdfs {
  private MiniHdfs() {}

  public static void main(String[] arguments) throws Exception {
    File folder = new File(arguments[0]);
    System.setProperty("test.build.data", folder + "/data");
    Configuration conf = new Configuration();
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder + "/dfs");
    conf.set("dfs.namenode.http-address", "127.0.0.1:0");
    conf.set("dfs.namenode.fs-limits.min-block-size", "1024");
    conf.set("dfs.blocksize", "65536");
    MiniDFSCluster hdfs =
        new MiniDFSCluster.Builder(conf).numDataNodes(1).manageNameDfsDirs(true).build();
    hdfs.waitActive();
    // For users who are not its owner.
    for (String name : new String[] {"/user", "/tmp"}) {
      hdfs.getFileSystem().mkdirs(new Path(name));
      hdfs.getFileSystem().setPermission(new Path(name), new FsPermission((short) 01777));
    }
    System.out.println("hdfs://127.0.0.1:" + hdfs.getNameNodePort());
    System.out.flush();
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0); // its folder is thrown away
  }
}
