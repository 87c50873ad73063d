import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.CorruptRecordException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;

/** Record batches of every format: what a records field holds, as JSON, and batches made from such JSON. */
final class Batches {
    private static final int ATTRIBUTES_OFFSET = 22;
    private static final int LOG_APPEND_TIME_BIT = 0x08;

    private static final Set<String> BATCH_FIELDS = Set.of(
        "magic", "codec", "level", "timestampType", "baseOffset", "logAppendTime", "producerId", "producerEpoch",
        "baseSequence", "isTransactional", "partitionLeaderEpoch", "records");
    private static final Set<String> RECORD_FIELDS = Set.of("offset", "timestamp", "key", "value", "headers");

    private Batches() {
    }

    /** Every batch and record, or the reason why Java takes the field for invalid; a cut last batch is trailing. */
    static String read(byte[] bytes) {
        ObjectNode json = Messages.JSON.createObjectNode();
        try {
            json.put("valid", true);
            ArrayNode batches = json.putArray("batches");
            int left = bytes.length;
            for (var batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
                batch.ensureValid();
                addBatch(batches.addObject(), batch);
                left -= batch.sizeInBytes();
            }
            json.put("trailingBytes", left);
        } catch (RuntimeException exception) {
            boolean crc = exception instanceof CorruptRecordException
                && String.valueOf(exception.getMessage()).contains("computed crc");
            json.removeAll().put("valid", false).put("error", crc ? "crc" : exception.toString());
        }
        return json.toString();
    }

    private static void addBatch(ObjectNode json, MutableRecordBatch batch) {
        json.put("magic", batch.magic());
        json.put("codec", batch.compressionType().name);
        json.put("sizeInBytes", batch.sizeInBytes());
        json.put("timestampType", batch.timestampType().name);
        boolean isV2 = batch.magic() >= RecordBatch.MAGIC_VALUE_V2;
        if (isV2) {
            json.put("baseOffset", batch.baseOffset());
        }
        json.put("lastOffset", batch.lastOffset());
        if (isV2) {
            json.put("partitionLeaderEpoch", batch.partitionLeaderEpoch());
            json.put("baseTimestamp", ((DefaultRecordBatch) batch).baseTimestamp());
        }
        json.put("maxTimestamp", batch.maxTimestamp());
        if (isV2) {
            json.put("producerId", batch.producerId());
            json.put("producerEpoch", batch.producerEpoch());
            json.put("baseSequence", batch.baseSequence());
            json.put("lastSequence", batch.lastSequence());
            json.put("isTransactional", batch.isTransactional());
            json.put("isControl", batch.isControlBatch());
            json.set("deleteHorizonMs", batch.deleteHorizonMs().isPresent()
                ? Messages.JSON.getNodeFactory().numberNode(batch.deleteHorizonMs().getAsLong())
                : Messages.JSON.nullNode());
            json.put("count", batch.countOrNull());
        }
        json.put("checksum", batch.checksum());
        ArrayNode records = json.putArray("records");
        boolean overridden = isV2 && batch.timestampType() == TimestampType.LOG_APPEND_TIME;
        Iterator<Long> written = overridden ? writtenTimestamps(batch).iterator() : null;
        for (var record : batch) {
            // The batch's CRC covers a compressed set as a whole; in it, legacy records still have their own.
            record.ensureValid();
            ObjectNode entry = records.addObject();
            entry.put("offset", record.offset());
            entry.put("timestamp", record.timestamp());
            if (overridden) {
                entry.put("writtenTimestamp", written.next());
            }
            entry.put("key", hex(record.key()));
            entry.put("value", hex(record.value()));
            if (isV2) {
                ArrayNode headers = entry.putArray("headers");
                for (Header header : record.headers()) {
                    byte[] value = header.value();
                    headers.addObject().put("key", header.key())
                        .put("value", value == null ? null : HexFormat.of().formatHex(value));
                }
            }
        }
    }

    /** The timestamps that the records' deltas give, read from a copy that does not say they are overridden. */
    private static List<Long> writtenTimestamps(MutableRecordBatch batch) {
        ByteBuffer copy = ByteBuffer.allocate(batch.sizeInBytes());
        batch.writeTo(copy);
        copy.flip();
        copy.put(ATTRIBUTES_OFFSET, (byte) (copy.get(ATTRIBUTES_OFFSET) & ~LOG_APPEND_TIME_BIT));
        List<Long> timestamps = new ArrayList<>();
        for (var record : MemoryRecords.readableRecords(copy).records()) {
            timestamps.add(record.timestamp());
        }
        return timestamps;
    }

    private static String hex(ByteBuffer bytes) {
        if (bytes == null) {
            return null;
        }
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return HexFormat.of().formatHex(copy);
    }

    /** One batch of the records given, as Java's producer or broker makes it. */
    static byte[] write(String text) throws Exception {
        JsonNode spec = Messages.JSON.readTree(text);
        check(spec, BATCH_FIELDS);
        MemoryRecordsBuilder builder = MemoryRecords.builder(
            ByteBuffer.allocate(1024),
            (byte) integer(spec, "magic", 0, 2),
            compression(spec),
            TimestampType.forName(spec.required("timestampType").textValue()),
            whole(spec, "baseOffset", 0),
            whole(spec, "logAppendTime", RecordBatch.NO_TIMESTAMP),
            whole(spec, "producerId", RecordBatch.NO_PRODUCER_ID),
            (short) integer(spec, "producerEpoch", Short.MIN_VALUE, Short.MAX_VALUE, RecordBatch.NO_PRODUCER_EPOCH),
            integer(spec, "baseSequence", Integer.MIN_VALUE, Integer.MAX_VALUE, RecordBatch.NO_SEQUENCE),
            spec.path("isTransactional").asBoolean(false),
            integer(spec, "partitionLeaderEpoch", Integer.MIN_VALUE, Integer.MAX_VALUE,
                RecordBatch.NO_PARTITION_LEADER_EPOCH));
        for (JsonNode record : spec.required("records")) {
            check(record, RECORD_FIELDS);
            List<Header> headers = new ArrayList<>();
            for (JsonNode header : record.path("headers")) {
                headers.add(new RecordHeader(header.required("key").textValue(), bytes(header, "value")));
            }
            builder.appendWithOffset(whole(record, "offset"), whole(record, "timestamp"), bytes(record, "key"),
                bytes(record, "value"), headers.toArray(new Header[0]));
        }
        ByteBuffer built = builder.build().buffer();
        byte[] bytes = new byte[built.remaining()];
        built.get(bytes);
        return bytes;
    }

    private static Compression compression(JsonNode spec) {
        CompressionType codec = CompressionType.forName(spec.required("codec").textValue());
        if (spec.path("level").isMissingNode() || spec.path("level").isNull()) {
            return Compression.of(codec).build();
        }
        // The smallest and largest level of each codec is the builders' own to check.
        int level = integer(spec, "level", Integer.MIN_VALUE, Integer.MAX_VALUE);
        switch (codec) {
            case GZIP:
                return Compression.gzip().level(level).build();
            case LZ4:
                return Compression.lz4().level(level).build();
            case ZSTD:
                return Compression.zstd().level(level).build();
            default:
                throw new IllegalArgumentException(codec.name + " has no levels");
        }
    }

    private static void check(JsonNode object, Set<String> fields) {
        object.fieldNames().forEachRemaining(name -> {
            if (!fields.contains(name)) {
                throw new IllegalArgumentException("no such field: " + name);
            }
        });
    }

    private static long whole(JsonNode object, String name) {
        JsonNode node = object.required(name);
        if (!node.canConvertToLong() || !node.isIntegralNumber()) {
            throw new IllegalArgumentException(name + " is not a 64-bit integer: " + node);
        }
        return node.longValue();
    }

    private static long whole(JsonNode object, String name, long absent) {
        return object.has(name) ? whole(object, name) : absent;
    }

    private static int integer(JsonNode object, String name, int lowest, int highest) {
        long value = whole(object, name);
        if (value < lowest || value > highest) {
            throw new IllegalArgumentException(name + " is not from " + lowest + " to " + highest + ": " + value);
        }
        return (int) value;
    }

    private static int integer(JsonNode object, String name, int lowest, int highest, int absent) {
        return object.has(name) ? integer(object, name, lowest, highest) : absent;
    }

    private static byte[] bytes(JsonNode object, String name) {
        JsonNode node = object.required(name);
        return node.isNull() ? null : HexFormat.of().parseHex(node.textValue());
    }
}
