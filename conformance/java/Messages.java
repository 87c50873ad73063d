import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Kafka's generated messages, and their JSON by the generated converters with what those leave out: the bytes of
 * records fields, and tagged fields without a name.
 */
final class Messages {
    private static final String PACKAGE = "org.apache.kafka.common.message.";
    private static final String TAGS = "_unknownTaggedFields";
    private static final List<String> HEADERS = List.of("RequestHeader", "ResponseHeader");
    private static final List<String> DATA = List.of(
        "ConsumerProtocolAssignment", "ConsumerProtocolSubscription", "ControlRecordTypeSchema", "EndTxnMarker",
        "KRaftVersionRecord", "LeaderChangeMessage", "SnapshotFooterRecord", "SnapshotHeaderRecord", "VotersRecord");

    /** Without Jackson's limits, which are below what a message may hold. */
    static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
        .streamReadConstraints(StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
        .build()).enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private static final Map<String, Type> TYPES = new HashMap<>();
    private static final Map<Class<?>, List<Inner>> INNERS = new HashMap<>();

    private Messages() {
    }

    /** What the bytes of a message say, and Java's own bytes of that. */
    static final class Decoded {
        final String json;
        final byte[] bytes;

        Decoded(String json, byte[] bytes) {
            this.json = json;
            this.bytes = bytes;
        }
    }

    /** The release, and from which version to which it knows each message. */
    static String versions() throws Exception {
        Map<String, Type> types = new TreeMap<>();
        for (ApiMessageType api : ApiMessageType.values()) {
            add(types, "request", api.apiKey(), api.name + "Request");
            add(types, "response", api.apiKey(), api.name + "Response");
        }
        for (String name : HEADERS) {
            add(types, "header", (short) -1, name);
        }
        for (String name : DATA) {
            add(types, "data", (short) -1, name);
        }
        ObjectNode versions = JSON.createObjectNode();
        types.forEach((name, type) -> versions.putArray(name).add(type.lowest).add(type.highest));
        ObjectNode answer = JSON.createObjectNode().put("release", AppInfoParser.getVersion());
        answer.set("messages", versions);
        return answer.toString();
    }

    /** A message that other releases have may be missing here; 4.x still names the APIs of ZooKeeper's days. */
    private static void add(Map<String, Type> types, String kind, short key, String name) throws Exception {
        try {
            types.put(name, type(kind, key, name));
        } catch (ClassNotFoundException exception) {
            // Then it is not among the versions either.
        }
    }

    static Type type(String kind, short key, String name) throws Exception {
        Type type = TYPES.get(name);
        if (type == null) {
            if (!name.matches("[A-Za-z]+")) {
                throw new IllegalArgumentException("no message's name: " + name);
            }
            type = new Type(name);
            TYPES.put(name, type);
        }
        if (!type.kind.equals(kind) || type.key != key) {
            throw new IllegalArgumentException(name + " is the " + type.kind + " of key " + type.key);
        }
        return type;
    }

    /** One generated class and its converter. */
    static final class Type {
        private final String name;
        private final String kind;
        private final short key;
        private final short lowest;
        private final short highest;
        private final Class<?> message;
        private final Method write;
        private final Method read;

        private Type(String name) throws Exception {
            this.name = name;
            if (HEADERS.contains(name)) {
                kind = "header";
            } else if (DATA.contains(name)) {
                kind = "data";
            } else {
                kind = name.endsWith("Request") ? "request" : "response";
            }
            String className = PACKAGE + name + (kind.equals("data") ? "" : "Data");
            message = Class.forName(className);
            Class<?> converter = Class.forName(className + "JsonConverter");
            write = converter.getMethod("write", message, short.class, boolean.class);
            read = converter.getMethod("read", JsonNode.class, short.class);
            Message instance = create();
            key = instance instanceof ApiMessage ? ((ApiMessage) instance).apiKey() : -1;
            lowest = instance.lowestSupportedVersion();
            highest = instance.highestSupportedVersion();
        }

        private Message create() throws Exception {
            return (Message) message.getConstructor().newInstance();
        }

        Decoded decode(byte[] bytes, short version) throws Exception {
            check(version);
            ByteBufferAccessor input = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
            Message value = create();
            value.read(input, version);
            if (input.remaining() > 0) {
                throw new IllegalArgumentException(input.remaining() + " bytes are left over");
            }
            JsonNode json = (JsonNode) write.invoke(null, value, version, true);
            complete(value, json);
            return new Decoded(JSON.writeValueAsString(json), bytes(value, version));
        }

        byte[] encode(String text, short version) throws Exception {
            check(version);
            JsonNode json = JSON.readTree(text);
            Message value = (Message) read.invoke(null, json, version);
            restore(value, json);
            return bytes(value, version);
        }

        private void check(short version) {
            if (version < lowest || version > highest) {
                throw new IllegalArgumentException(
                    name + " has versions " + lowest + " to " + highest + ", and not " + version);
            }
        }
    }

    private static byte[] bytes(Message value, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        byte[] bytes = new byte[value.size(cache, version)];
        ByteBufferAccessor output = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
        value.write(output, cache, version);
        if (output.remaining() > 0) {
            throw new IllegalStateException("the message is " + output.remaining() + " bytes shorter than its size");
        }
        return bytes;
    }

    /** Adds to a struct's JSON, and to that of the structs in it, what the converter has left out. */
    private static void complete(Message value, JsonNode node) throws Exception {
        ObjectNode json = (ObjectNode) node;
        for (Inner inner : inners(value.getClass())) {
            JsonNode field = json.get(inner.name);
            Object content = inner.field.get(value);
            // A version without the field, a tagged field at its default, or null.
            if (field == null || field.isNull() || content == null) {
                continue;
            }
            if (content instanceof MemoryRecords) {
                ByteBuffer buffer = ((MemoryRecords) content).buffer();
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                json.put(inner.name, bytes);
            } else {
                List<Message> structs = structs(content);
                for (int index = 0; index < structs.size(); index++) {
                    complete(structs.get(index), content instanceof Message ? field : field.get(index));
                }
            }
        }
        if (!value.unknownTaggedFields().isEmpty()) {
            ArrayNode tags = json.putArray(TAGS);
            for (RawTaggedField tag : value.unknownTaggedFields()) {
                tags.addObject().put("tag", tag.tag()).put("data", tag.data());
            }
        }
    }

    /** Gives a struct, and the structs in it, the tagged fields that the converter did not read from the JSON. */
    private static void restore(Message value, JsonNode json) throws Exception {
        for (Inner inner : inners(value.getClass())) {
            JsonNode field = json.get(inner.name);
            Object content = inner.field.get(value);
            if (field == null || field.isNull() || content == null || content instanceof MemoryRecords) {
                continue;
            }
            List<Message> structs = structs(content);
            for (int index = 0; index < structs.size(); index++) {
                restore(structs.get(index), content instanceof Message ? field : field.get(index));
            }
        }
        if (json.has(TAGS)) {
            for (JsonNode tag : json.get(TAGS)) {
                value.unknownTaggedFields().add(new RawTaggedField(
                    MessageUtil.jsonNodeToInt(tag.required("tag"), "tag"),
                    MessageUtil.jsonNodeToBinary(tag.required("data"), "data")));
            }
        }
    }

    private static List<Message> structs(Object content) {
        List<Message> structs = new ArrayList<>();
        if (content instanceof Message) {
            structs.add((Message) content);
        } else {
            for (Object element : (Collection<?>) content) {
                structs.add((Message) element);
            }
        }
        return structs;
    }

    /** A field whose JSON may need more than the converter does: records, a struct, or structs. */
    private static final class Inner {
        private final String name;
        private final Field field;

        private Inner(Field field) {
            name = field.getName();
            this.field = field;
        }
    }

    private static List<Inner> inners(Class<?> message) {
        return INNERS.computeIfAbsent(message, type -> {
            List<Inner> inners = new ArrayList<>();
            for (Field field : type.getDeclaredFields()) {
                boolean generated = Modifier.isStatic(field.getModifiers()) || field.getName().startsWith("_");
                if (!generated && hasMore(field)) {
                    field.setAccessible(true);
                    inners.add(new Inner(field));
                }
            }
            return inners;
        });
    }

    private static boolean hasMore(Field field) {
        Class<?> type = field.getType();
        if (!Collection.class.isAssignableFrom(type)) {
            return Message.class.isAssignableFrom(type) || BaseRecords.class.isAssignableFrom(type);
        }
        // Sets by key are collections of their own, which only structs have.
        return !(field.getGenericType() instanceof ParameterizedType)
            || isMessage(((ParameterizedType) field.getGenericType()).getActualTypeArguments()[0]);
    }

    private static boolean isMessage(java.lang.reflect.Type type) {
        return type instanceof Class && Message.class.isAssignableFrom((Class<?>) type);
    }
}
