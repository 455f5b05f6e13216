import java.nio.file.Paths;
import java.util.Scanner;
import nestflow.spark.Parcel;
import org.apache.hadoop.conf.Configuration;

/** Unpacks archives as executors do: in each line a name, an address, a hash, the bytes, and the folder. */
public final class Unpack {
    public static void main(String[] arguments) {
        for (Scanner lines = new Scanner(System.in); lines.hasNextLine(); ) {
            String[] words = lines.nextLine().split("\t");
            System.out.println("ready");
            try {
                Parcel parcel = new Parcel(words[0], words[1], words[2], Long.parseLong(words[3]));
                System.out.println("there\t" + parcel.place(Paths.get(words[4]), new Configuration()));
            } catch (Exception error) {
                System.out.println("failed\t" + error);
            }
        }
    }
}
