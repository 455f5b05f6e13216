import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Scanner;
import nestflow.spark.Parcel;
import org.apache.hadoop.conf.Configuration;

/**
 * Unpacks archives as executors do: in each line a name, an address, two hashes, the bytes, the folder, and where the
 * archive lies unpacked already, if it does.
 */
public final class Unpack {
    public static void main(String[] arguments) {
        for (Scanner lines = new Scanner(System.in); lines.hasNextLine(); ) {
            String[] words = lines.nextLine().split("\t", -1);
            System.out.println("ready");
            try {
                Parcel parcel = new Parcel(words[0], words[1], words[2], words[3], Long.parseLong(words[4]));
                Path cache = Paths.get(words[5]);
                Path place = words[6].isEmpty()
                    ? parcel.place(cache, new Configuration())
                    : parcel.brought(Paths.get(words[6]), cache);
                System.out.println("there\t" + place);
            } catch (Exception error) {
                System.out.println("failed\t" + error);
            }
        }
    }
}
