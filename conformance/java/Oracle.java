import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * What Kafka's own client library says about bytes: one line on standard input is a request, one line on standard
 * output its answer. Columns are separated by tabs, bytes are hex.
 *
 * <pre>
 * versions                                 ok JSON         the release, and the versions of its messages
 * message KIND KEY NAME VERSION HEX        ok JSON HEX     what a message's bytes say, and Java's own bytes of that
 * json KIND KEY NAME VERSION JSON          ok HEX          the bytes of a message given as JSON
 * read HEX                                 ok JSON         what a records field holds
 * write JSON                               ok HEX          one batch of given records
 * </pre>
 *
 * Whatever can't be done is answered by {@code error TEXT}; only the end of the input ends the program.
 */
final class Oracle {
    private static final int BUFFER_BYTES = 1 << 16;

    private final InputStream input = new FileInputStream(FileDescriptor.in);
    private byte[] buffer = new byte[BUFFER_BYTES];
    /** What was read and is not taken yet. */
    private int start;
    private int end;

    private Oracle() {
    }

    public static void main(String[] arguments) throws IOException {
        Oracle oracle = new Oracle();
        OutputStream output = new FileOutputStream(FileDescriptor.out);
        // A library that prints must not end up among the answers.
        System.setOut(System.err);
        for (String line = oracle.readLine(); line != null; line = oracle.readLine()) {
            output.write(answer(line));
        }
    }

    /** The next line without its end; null at the end of the input, where nobody waits for what a cut line asks. */
    private String readLine() throws IOException {
        int position = start;
        while (true) {
            for (; position < end; position++) {
                if (buffer[position] == '\n') {
                    String line = new String(buffer, start, position - start, StandardCharsets.UTF_8);
                    start = position + 1;
                    return line;
                }
            }
            if (start > 0) {
                System.arraycopy(buffer, start, buffer, 0, end - start);
                position -= start;
                end -= start;
                start = 0;
            } else if (end == buffer.length) {
                buffer = Arrays.copyOf(buffer, 2 * buffer.length);
            }
            int count = input.read(buffer, end, buffer.length - end);
            if (count < 0) {
                return null;
            }
            end += count;
        }
    }

    private static byte[] answer(String line) {
        String text;
        try {
            text = "ok\t" + answer(line.split("\t", -1));
            return (text + "\n").getBytes(StandardCharsets.UTF_8);
        } catch (Throwable thrown) {
            // Errors as well: a message too large for the heap, or JSON too deep for the stack, is a bad request.
            text = "error\t" + describe(thrown);
        }
        return (text + "\n").getBytes(StandardCharsets.UTF_8);
    }

    private static String answer(String[] columns) throws Throwable {
        switch (columns[0]) {
            case "versions":
                expect(columns, 1);
                return Messages.versions();
            case "message": {
                expect(columns, 6);
                Messages.Decoded decoded = type(columns).decode(bytes(columns[5]), Short.parseShort(columns[4]));
                return decoded.json + "\t" + HexFormat.of().formatHex(decoded.bytes);
            }
            case "json":
                expect(columns, 6);
                return HexFormat.of().formatHex(type(columns).encode(columns[5], Short.parseShort(columns[4])));
            case "read":
                expect(columns, 2);
                return Batches.read(bytes(columns[1]));
            case "write":
                expect(columns, 2);
                return HexFormat.of().formatHex(Batches.write(columns[1]));
            default:
                throw new IllegalArgumentException("no such request: " + columns[0]);
        }
    }

    private static Messages.Type type(String[] columns) throws Exception {
        return Messages.type(columns[1], Short.parseShort(columns[2]), columns[3]);
    }

    private static void expect(String[] columns, int count) {
        if (columns.length != count) {
            throw new IllegalArgumentException(
                columns[0] + " has " + count + " columns, and this line " + columns.length);
        }
    }

    private static byte[] bytes(String hex) {
        return HexFormat.of().parseHex(hex);
    }

    /** An error and its causes in one line of moderate length. */
    private static String describe(Throwable thrown) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = thrown; cause != null && text.length() < 4000; cause = cause.getCause()) {
            if (!(cause instanceof InvocationTargetException)) {
                text.append(text.length() == 0 ? "" : ": ").append(cause);
            }
        }
        return text.substring(0, Math.min(text.length(), 4000)).replaceAll("\\p{Cntrl}+", " ");
    }
}
