/*
 * The ends of the peers on Kafka, apart from the peer itself: fills the topic of records, tells how many of them have
 * committed results, checks every total, and measures latency from an open loop. Modes, each with the broker's address:
 *
 *   fill ADDRESS RECORDS KEYS PARTITIONS   creates both topics and writes the records, acks=all
 *   watch ADDRESS GROUP RECORDS KEYS   prints "done N" as the group commits, then "checked" or fails
 *   latency ADDRESS RATE SECONDS WARMUP KEYS   prints at the end "latency P50 P99 MAX COUNT"
 */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public final class KafkaLoad {
  static final String RECORDS = "records";
  static final String RESULTS = "results";
  static final int VALUE_BYTES = 84;

  public static void main(String[] args) throws Exception {
    String address = args[1];
    switch (args[0]) {
      case "fill" -> fill(address, Integer.parseInt(args[2]), Integer.parseInt(args[3]), Integer.parseInt(args[4]));
      case "watch" -> watch(address, args[2], Integer.parseInt(args[3]), Integer.parseInt(args[4]));
      case "latency" -> latency(address, Integer.parseInt(args[2]), Integer.parseInt(args[3]), Integer.parseInt(args[4]), Integer.parseInt(args[5]));
      default -> throw new IllegalArgumentException(args[0]);
    }
    System.exit(0);
  }

  /** The same keys in the same order as in bench/counter-pipeline.ts. */
  static String key(long n, int keys) {
    return String.format("key-%012d", ((n * 2_654_435_761L) & 0xffffffffL) % keys);
  }

  /** 84 bytes that begin with the ms since 1970 at which the record was due. */
  static byte[] value(double due) {
    byte[] bytes = new byte[VALUE_BYTES];
    Arrays.fill(bytes, (byte) 'x');
    ByteBuffer.wrap(bytes).putDouble(due);
    return bytes;
  }

  static void fill(String address, int records, int keys, int partitions) throws Exception {
    try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", address))) {
      admin.createTopics(List.of(new NewTopic(RECORDS, partitions, (short) 1), new NewTopic(RESULTS, partitions, (short) 1))).all().get();
    }
    try (KafkaProducer<String, byte[]> producer = producer(address)) {
      for (int n = 0; n < records; n++) producer.send(new ProducerRecord<>(RECORDS, key(n, keys), value(0)));
    }
  }

  static KafkaProducer<String, byte[]> producer(String address) {
    Map<String, Object> settings = Map.of("bootstrap.servers", address, "acks", "all", "linger.ms", 0);
    return new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
  }

  static KafkaConsumer<String, byte[]> results(String address) {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", address, "isolation.level", "read_committed", "auto.offset.reset", "earliest", "fetch.min.bytes", 1);
    KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
    List<TopicPartition> partitions = consumer.partitionsFor(RESULTS).stream().map(each -> new TopicPartition(RESULTS, each.partition())).toList();
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    return consumer;
  }

  static void watch(String address, String group, int records, int keys) throws Exception {
    try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", address))) {
      for (long done = 0; done < records; Thread.sleep(20)) {
        done = committed(admin, group);
        System.out.println("done " + done);
      }
    }
    Map<String, Integer> expected = new HashMap<>();
    for (int n = 0; n < records; n++) expected.merge(key(n, keys), 1, Integer::sum);
    Map<String, Long> counts = new HashMap<>();
    try (KafkaConsumer<String, byte[]> consumer = results(address)) {
      long sum = 0;
      for (long until = System.currentTimeMillis() + 300_000; sum < records && System.currentTimeMillis() < until; ) {
        for (ConsumerRecord<String, byte[]> each : consumer.poll(Duration.ofMillis(500))) {
          long count = ByteBuffer.wrap(each.value()).getLong();
          Long before = counts.put(each.key(), count);
          if (before != null && count <= before) throw new IllegalStateException(each.key() + " went from " + before + " to " + count);
          sum += count - (before == null ? 0 : before);
        }
      }
      for (ConsumerRecord<String, byte[]> each : consumer.poll(Duration.ofMillis(1_000))) throw new IllegalStateException("one more result of " + each.key());
    }
    for (Map.Entry<String, Integer> each : expected.entrySet()) {
      Long count = counts.get(each.getKey());
      if (count == null || count.longValue() != each.getValue()) throw new IllegalStateException(each.getKey() + " is " + count + ", not " + each.getValue());
    }
    if (counts.size() != expected.size()) throw new IllegalStateException(counts.size() + " keys, not " + expected.size());
    System.out.println("checked");
  }

  static long committed(Admin admin, String group) throws InterruptedException {
    try {
      long sum = 0;
      for (Map.Entry<TopicPartition, OffsetAndMetadata> each : admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet()) {
        if (each.getValue() != null && each.getKey().topic().equals(RECORDS)) sum += each.getValue().offset();
      }
      return sum;
    } catch (ExecutionException none) {
      // The group is not there yet.
      return 0;
    }
  }

  static void latency(String address, int rate, int seconds, int warmUp, int keys) throws Exception {
    int all = rate * (seconds + warmUp);
    double[] seen = new double[all];
    KafkaConsumer<String, byte[]> consumer = results(address);
    KafkaProducer<String, byte[]> producer = producer(address);
    // Nothing is due before the peer is up, which the result of a first record tells.
    producer.send(new ProducerRecord<>(RECORDS, "first", value(0)));
    for (double from = now(); consumer.poll(Duration.ofMillis(100)).isEmpty(); )
      if (now() - from > 300_000) throw new IllegalStateException("no result for 300 s");
    Thread sender =
        new Thread(
            () -> {
              double began = now();
              for (int n = 0; n < all; ) {
                for (; n < all && began + n * 1_000.0 / rate <= now(); n++)
                  producer.send(new ProducerRecord<>(RECORDS, key(n, keys), value(began + n * 1_000.0 / rate)));
                try {
                  Thread.sleep(1);
                } catch (InterruptedException ended) {
                  return;
                }
              }
            });
    sender.setDaemon(true);
    sender.start();
    int count = 0;
    for (double last = now(); count < all; ) {
      ConsumerRecords<String, byte[]> page = consumer.poll(Duration.ofMillis(100));
      double time = now();
      for (ConsumerRecord<String, byte[]> each : page) seen[count++] = time - ByteBuffer.wrap(each.value()).getDouble(8);
      if (page.count() > 0) last = time;
      else if (time - last > 300_000) throw new IllegalStateException("no new result for 300 s, after " + count + " of " + all);
    }
    double[] counted = Arrays.copyOfRange(seen, all - rate * seconds, all);
    Arrays.sort(counted);
    int n = counted.length;
    System.out.printf(Locale.ROOT, "latency %.2f %.2f %.2f %d%n", counted[n / 2], counted[Math.min(n - 1, n * 99 / 100)], counted[n - 1], n);
  }

  static double now() {
    java.time.Instant time = java.time.Instant.now();
    return time.getEpochSecond() * 1e3 + time.getNano() / 1e6;
  }
}
