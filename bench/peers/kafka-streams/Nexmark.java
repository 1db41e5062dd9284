/*
 * Nexmark for the peers on the JVM: the part of an event that its queries use, read from a line of JSON, and the two ends of
 * a run on Kafka. Windows are as in bench/nexmark/queries.ts. Modes, each with the broker's address:
 *
 *   fill ADDRESS FILE      creates both topics, one partition of events and four of answers, and writes the lines, acks=all
 *   rows ADDRESS ROWS      prints "rows N" as rows become visible, then "digest" and the Digest of bench/harness/results.ts
 */
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public final class Nexmark {
  static final String EVENTS = "events";
  static final String ANSWERS = "answers";
  static final long TUMBLE = 10_000;
  static final long SLIDE = 2_000;
  /** What the watermark is behind the largest event time. */
  static final long BEHIND = 4_000;
  /** Groups of auctions in the first stage of q7. */
  static final long GROUPS = 64;

  /** Fields of all three kinds; those of another kind are 0 or null. */
  public static final class Event {
    public String kind;
    public long id;
    public String name;
    public long seller;
    public long auction;
    public long bidder;
    public long price;
    public String channel;
    public long at;

    public boolean isBid() {
      return kind.equals("bid");
    }

    /** The last event of a run, which closes the windows of all others. */
    public boolean isEnd() {
      return "end".equals(channel);
    }
  }

  private static final ObjectReader READER = new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false).readerFor(Event.class);

  public static Event parse(byte[] line) throws IOException {
    return READER.readValue(line);
  }

  public static long endOf(long at, long size) {
    return at - at % size + size;
  }

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "fill" -> fill(args[1], Path.of(args[2]));
      case "rows" -> rows(args[1], Long.parseLong(args[2]));
      default -> throw new IllegalArgumentException(args[0]);
    }
    System.exit(0);
  }

  static void fill(String address, Path file) throws Exception {
    try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", address))) {
      // Kafka Streams gives rows the times of their events, which are years ago: the broker would delete them as too old.
      Map<String, String> forGood = Map.of("retention.ms", "-1");
      admin.createTopics(List.of(new NewTopic(EVENTS, 1, (short) 1).configs(forGood), new NewTopic(ANSWERS, 4, (short) 1).configs(forGood))).all().get();
    }
    Map<String, Object> settings = Map.of("bootstrap.servers", address, "acks", "all", "linger.ms", 5, "batch.size", 262_144);
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.US_ASCII)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine())
        producer.send(new ProducerRecord<>(EVENTS, line.getBytes(StandardCharsets.US_ASCII)));
    }
  }

  static void rows(String address, long wanted) {
    Map<String, Object> settings = Map.of("bootstrap.servers", address, "isolation.level", "read_committed", "fetch.min.bytes", 1);
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions = consumer.partitionsFor(ANSWERS).stream().map(each -> new TopicPartition(ANSWERS, each.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      long count = 0;
      int low = 0;
      int high = 0;
      // Once all are there, one that is too many has this long to show itself.
      for (long until = Long.MAX_VALUE; System.currentTimeMillis() < until; ) {
        for (ConsumerRecord<byte[], byte[]> row : consumer.poll(Duration.ofMillis(20))) {
          count++;
          low += fnv(row.value(), 0x811c9dc5);
          high += fnv(row.value(), 0x9747b28c);
        }
        System.out.println("rows " + count);
        if (count >= wanted && until == Long.MAX_VALUE) until = System.currentTimeMillis() + 3_000;
      }
      System.out.printf("digest %d:%08x%08x%n", count, high, low);
    }
  }

  static int fnv(byte[] text, int seed) {
    int hash = seed;
    for (byte letter : text) hash = (hash ^ letter) * 0x01000193;
    hash = (hash ^ (hash >>> 15)) * 0x2c1b3c6d;
    return hash ^ (hash >>> 13);
  }
}
