import java.io.BufferedReader;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.SafeModeAction;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/**
 * An HDFS of one name node and one data node in one process, on this machine only, and YARN with two
 * nodes where it is given a second folder: that for the settings of clients; a third one is that of Kerberos, which
 * then says who may do what. When all is ready, prints the address of the HDFS, that of its web interface and that of
 * YARN's. Its standard input says "safe" or "unsafe"; the process ends with it, or when it is told to.
 *
 * <p>Blocks are small, so that files of the tests have several. Nodes kill what takes more memory than it
 * was granted, as those of real clusters do.
 */
public final class MiniHadoop {
  private static final String[] ADDRESSES = {
    "yarn.resourcemanager.address",
    "yarn.resourcemanager.scheduler.address",
    "yarn.resourcemanager.resource-tracker.address",
    "yarn.resourcemanager.admin.address",
    "yarn.resourcemanager.webapp.address",
  };

  private MiniHadoop() {}

  public static void main(String[] arguments) throws Exception {
    File folder = new File(arguments[0]);
    System.setProperty("test.build.data", folder + "/data");
    System.setProperty("test.build.dir", folder + "/nodes");
    Kerberos kerberos = arguments.length > 2 ? new Kerberos(new File(arguments[2])) : null;
    MiniDFSCluster hdfs = hdfs(folder, kerberos);
    String address = "hdfs://127.0.0.1:" + hdfs.getNameNodePort();
    String web = "http://" + hdfs.getNameNode().getHttpAddress().getAddress().getHostAddress()
        + ":" + hdfs.getNameNode().getHttpAddress().getPort();
    String yarn = arguments.length > 1 ? yarn(address, new File(arguments[1]), kerberos) : "";
    System.out.println(address + " " + web + " " + yarn);
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      SafeModeAction action = line.equals("safe") ? SafeModeAction.ENTER : SafeModeAction.LEAVE;
      System.out.println(hdfs.getFileSystem().setSafeMode(action));
    }
    Runtime.getRuntime().halt(0); // its folder is thrown away
  }

  private static MiniDFSCluster hdfs(File folder, Kerberos kerberos) throws IOException {
    Configuration conf = new Configuration();
    if (kerberos != null) {
      kerberos.protect(conf);
    }
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
    return hdfs;
  }

  /** Starts YARN, and gives the address of its web interface. */
  private static String yarn(String hdfs, File settings, Kerberos kerberos) throws Exception {
    YarnConfiguration conf = new YarnConfiguration();
    if (kerberos != null) {
      kerberos.protect(conf);
    }
    conf.set("fs.defaultFS", hdfs);
    conf.setBoolean("yarn.minicluster.fixed.ports", true);
    conf.set("yarn.resourcemanager.hostname", "127.0.0.1");
    for (String address : ADDRESSES) {
      conf.set(address, "127.0.0.1:" + freePort());
    }
    conf.set("yarn.nodemanager.address", "127.0.0.1:0");
    conf.set("yarn.nodemanager.localizer.address", "127.0.0.1:0");
    conf.set("yarn.nodemanager.webapp.address", "127.0.0.1:0");
    // A node that has little room on its disk would take no work, and jobs would wait for ever.
    conf.set("yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage", "100.0");
    conf.set("yarn.nodemanager.disk-health-checker.min-free-space-per-disk-mb", "0");
    conf.set("yarn.minicluster.yarn.nodemanager.resource.memory-mb", "8192");
    conf.set("yarn.nodemanager.resource.cpu-vcores", "8");
    conf.set("yarn.scheduler.minimum-allocation-mb", "128");
    conf.setBoolean("yarn.minicluster.control-resource-monitoring", true);
    conf.setBoolean("yarn.nodemanager.pmem-check-enabled", true);
    conf.setBoolean("yarn.nodemanager.resource.memory.enforced", false); // or control groups are to do it
    conf.setBoolean("yarn.nodemanager.vmem-check-enabled", false); // JVMs reserve far more than they use
    conf.set("yarn.nodemanager.container-monitor.interval-ms", "500");
    conf.set("yarn.nodemanager.user-home-dir", "/dev/null/home"); // users of real nodes cannot write to theirs
    String root = "yarn.scheduler.capacity.root.";
    conf.set(root + "queues", "default");
    conf.set(root + "default.capacity", "100");
    conf.set(root + "default.state", "RUNNING");
    conf.set(root + "default.acl_submit_applications", "*");
    conf.set(root + "default.acl_administer_queue", "*");
    conf.set("yarn.scheduler.capacity.maximum-am-resource-percent", "1.0");

    MiniYARNCluster yarn = new MiniYARNCluster("yarn", 2, 1, 1);
    yarn.init(conf);
    yarn.start();
    if (!yarn.waitForNodeManagersToConnect(60_000)) {
      throw new IllegalStateException("the nodes of YARN did not come");
    }

    settings.mkdirs();
    Configuration core = new Configuration(false);
    core.set("fs.defaultFS", hdfs);
    if (kerberos != null) {
      kerberos.clients(core);
    }
    write(core, settings, "core-site.xml");
    Configuration files = new Configuration(false);
    files.set("dfs.replication", "1");
    files.set("dfs.blocksize", "65536");
    files.set("dfs.client.block.write.replace-datanode-on-failure.policy", "NEVER");
    write(files, settings, "hdfs-site.xml");
    Configuration client = new Configuration(false);
    client.set("yarn.resourcemanager.hostname", "127.0.0.1");
    for (String address : ADDRESSES) {
      client.set(address, yarn.getConfig().get(address));
    }
    client.set("yarn.application.classpath", ""); // Spark brings its own
    write(client, settings, "yarn-site.xml");
    return "http://" + conf.get("yarn.resourcemanager.webapp.address");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static void write(Configuration settings, File folder, String name) throws IOException {
    try (OutputStream file = new FileOutputStream(new File(folder, name))) {
      settings.writeXml(file);
    }
  }
}
