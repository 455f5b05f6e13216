import java.io.File;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.minikdc.MiniKdc;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.kerby.kerberos.kerb.client.KrbClient;

/**
 * Who may do what in a Hadoop of the tests is said by Kerberos: a key distribution centre of its own, one name for
 * all servers, since they are one process, and a ticket for a user. Only servers have a keytab.
 */
final class Kerberos {
  private static final String SERVERS = "hadoop/localhost";
  private static final String USER = "tester";

  private final File keytab;
  private final String servers;

  /**
   * Starts the centre, which ends with this process, and puts three files into a folder: "krb5.conf", which all
   * machines of a cluster have and which says where the centre is, "ticket", which is the user's, and "core-site.xml":
   * some parts of nodes read their settings only from there, so that the folder has to be on the class path.
   */
  Kerberos(File folder) throws Exception {
    folder.mkdirs();
    MiniKdc centre = new MiniKdc(MiniKdc.createConf(), folder);
    centre.start();
    Files.copy(centre.getKrb5conf().toPath(), new File(folder, "krb5.conf").toPath());
    servers = SERVERS + "@" + centre.getRealm();
    keytab = new File(folder, "servers.keytab");
    centre.createPrincipal(keytab, SERVERS, "HTTP/localhost");
    File user = new File(folder, "user.keytab");
    centre.createPrincipal(user, USER);
    KrbClient client = new KrbClient(folder);
    client.setTimeout(120); // seconds: the machine may be busy
    client.init();
    client.storeTicket(client.requestTgt(USER + "@" + centre.getRealm(), user), new File(folder, "ticket"));
    user.delete();
    Configuration clients = new Configuration(false);
    clients(clients);
    try (OutputStream file = new FileOutputStream(new File(folder, "core-site.xml"))) {
      clients.writeXml(file);
    }
  }

  /** Lets servers take nobody whom Kerberos does not know, and be known themselves. */
  void protect(Configuration conf) {
    clients(conf);
    for (String server : new String[] {"dfs.namenode", "dfs.datanode"}) {
      conf.set(server + ".keytab.file", keytab.getPath());
    }
    conf.set("yarn.resourcemanager.keytab", keytab.getPath());
    conf.set("yarn.nodemanager.keytab", keytab.getPath());
    conf.set("dfs.web.authentication.kerberos.principal", "HTTP/localhost");
    conf.set("dfs.web.authentication.kerberos.keytab", keytab.getPath());
    conf.setBoolean("dfs.block.access.token.enable", true);
    conf.setBoolean("ignore.secure.ports.for.testing", true); // others only root may listen on
    UserGroupInformation.setConfiguration(conf);
  }

  /** What clients have to know. */
  void clients(Configuration conf) {
    conf.set("hadoop.security.authentication", "kerberos");
    conf.set("dfs.data.transfer.protection", "authentication");
    conf.set("dfs.namenode.kerberos.principal", servers);
    conf.set("dfs.datanode.kerberos.principal", servers);
    conf.set("yarn.resourcemanager.principal", servers);
    conf.set("yarn.nodemanager.principal", servers);
  }
}
