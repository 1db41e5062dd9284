/*
 * The peer: queries of Nexmark on Kafka Streams with exactly_once_v2, from the topic "events" into "answers". Arguments: the
 * broker's address, the query, commit.interval.ms, threads, folder for state, bytes of the cache before the changelog, and
 * the event time at which the first window of a slide ends.
 *
 * A window is closed when the largest event time that its partition has seen is 4 s past its end, as everywhere in this
 * benchmark. What a first stage has of a window goes on as one record a partition, empty or not; the second waits for all
 * partitions, for stream time tells nothing of those that are behind.
 *
 *   q5   events -> bids by auction, 4 partitions -> counts by slide; the most of each window -> 1 partition -> the most of all
 *   q7   events -> the highest bids of each window, with no repartition -> 1 partition -> the highest of all
 *   q8   events -> people and their auctions by person, 4 partitions -> rows
 */
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.function.Supplier;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

public final class StreamsQueries {
  static final int PARTITIONS = 4;
  /** Key of the record that closes all windows; every partition has it. */
  static final long END = -1;
  static final Serde<Long> LONG = Serdes.Long();
  static final Serde<byte[]> BYTES = Serdes.ByteArray();

  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "queries");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[2]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[3]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, args[5]);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    long first = Long.parseLong(args[6]);

    StreamsBuilder builder = new StreamsBuilder();
    KStream<byte[], byte[]> events = builder.stream(Nexmark.EVENTS, Consumed.with(BYTES, BYTES));
    KStream<Long, byte[]> answers =
        switch (args[1]) {
          case "q5" -> {
            KStream<Long, byte[]> bids = events.process(() -> new BidsByAuction()).repartition(byKey("bids"));
            KStream<Long, byte[]> most = bids.process(with(() -> new MostBidAuctions(first), "slides", "closed"));
            yield most.repartition(toOne("most")).process(with(() -> new MostOfAll(PARTITIONS), "windows"));
          }
          case "q7" -> {
            KStream<Long, byte[]> highest = events.process(with(() -> new HighestBids(Nexmark.endOf(first - 1, Nexmark.TUMBLE)), "best", "closed"));
            yield highest.repartition(toOne("highest")).process(with(() -> new MostOfAll(1), "windows"));
          }
          case "q8" -> {
            KStream<Long, byte[]> people = events.process(() -> new PeopleAndSellers()).repartition(byKey("people"));
            yield people.process(with(() -> new NewSellers(), "seen"));
          }
          default -> throw new IllegalArgumentException(args[1]);
        };
    answers.to(Nexmark.ANSWERS, Produced.with(LONG, BYTES));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(java.time.Duration.ofSeconds(5))));
    streams.start();
    Thread.currentThread().join();
  }

  static Repartitioned<Long, byte[]> byKey(String name) {
    StreamPartitioner<Long, byte[]> partitioner =
        new StreamPartitioner<>() {
          @Override
          public Optional<Set<Integer>> partitions(String topic, Long key, byte[] value, int count) {
            if (key != END) return Optional.of(Set.of((int) (((key * 0x9E3779B97F4A7C15L) >>> 33) % count)));
            Set<Integer> all = new HashSet<>();
            for (int partition = 0; partition < count; partition++) all.add(partition);
            return Optional.of(all);
          }
        };
    return Repartitioned.<Long, byte[]>as(name).withKeySerde(LONG).withValueSerde(BYTES).withNumberOfPartitions(PARTITIONS).withStreamPartitioner(partitioner);
  }

  static Repartitioned<Long, byte[]> toOne(String name) {
    return Repartitioned.<Long, byte[]>as(name).withKeySerde(LONG).withValueSerde(BYTES).withNumberOfPartitions(1);
  }

  /** A processor with stores in RocksDB, each with its changelog. */
  static <K, V> ProcessorSupplier<K, V, Long, byte[]> with(Supplier<Processor<K, V, Long, byte[]>> processor, String... stores) {
    return new ProcessorSupplier<>() {
      @Override
      public Processor<K, V, Long, byte[]> get() {
        return processor.get();
      }

      @Override
      public Set<StoreBuilder<?>> stores() {
        Set<StoreBuilder<?>> builders = new HashSet<>();
        for (String name : stores)
          builders.add(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.Bytes(), BYTES).withCachingEnabled());
        return builders;
      }
    };
  }

  static Nexmark.Event parse(byte[] line) {
    try {
      return Nexmark.parse(line);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  static Bytes key(long... parts) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * parts.length);
    for (long part : parts) bytes.putLong(part);
    return Bytes.wrap(bytes.array());
  }

  static byte[] text(Object... parts) {
    StringJoiner row = new StringJoiner(",");
    for (Object part : parts) row.add(String.valueOf(part));
    return row.toString().getBytes(StandardCharsets.US_ASCII);
  }

  abstract static class Each<K, V> implements Processor<K, V, Long, byte[]> {
    ProcessorContext<Long, byte[]> context;

    @Override
    public void init(ProcessorContext<Long, byte[]> context) {
      this.context = context;
      opened();
    }

    void opened() {}

    KeyValueStore<Bytes, byte[]> store(String name) {
      return context.getStateStore(name);
    }

    void forward(long key, byte[] value, long timestamp) {
      context.forward(new Record<>(key, value, timestamp));
    }
  }

  /** Closes windows of one size in order, as event time goes on; which one is next is stored. */
  abstract static class Closing<K> extends Each<K, byte[]> {
    private static final Bytes NEXT = key(0);
    private final long first;
    private final long step;
    private KeyValueStore<Bytes, byte[]> closed;
    private long next;

    Closing(long first, long step) {
      this.first = first;
      this.step = step;
    }

    @Override
    void opened() {
      closed = store("closed");
      byte[] stored = closed.get(NEXT);
      next = stored == null ? first : ByteBuffer.wrap(stored).getLong();
    }

    void reached(long at) {
      long before = next;
      for (; next + Nexmark.BEHIND <= at; next += step) close(next);
      if (next > before) closed.put(NEXT, key(next).get());
    }

    abstract void close(long end);
  }

  static final class BidsByAuction extends Each<byte[], byte[]> {
    @Override
    public void process(Record<byte[], byte[]> record) {
      Nexmark.Event event = parse(record.value());
      if (event.isBid()) forward(event.isEnd() ? END : event.auction, key(event.at).get(), event.at);
    }
  }

  /** q5: counts of (slide, auction), and of each window the auctions of this partition with the most bids. */
  static final class MostBidAuctions extends Closing<Long> {
    private KeyValueStore<Bytes, byte[]> slides;

    MostBidAuctions(long first) {
      super(first, Nexmark.SLIDE);
    }

    @Override
    void opened() {
      super.opened();
      slides = store("slides");
    }

    @Override
    public void process(Record<Long, byte[]> record) {
      long at = ByteBuffer.wrap(record.value()).getLong();
      if (record.key() != END) {
        Bytes address = key(Nexmark.endOf(at, Nexmark.SLIDE), record.key());
        byte[] before = slides.get(address);
        slides.put(address, key(before == null ? 1 : ByteBuffer.wrap(before).getLong() + 1).get());
      }
      reached(at);
    }

    @Override
    void close(long end) {
      long oldest = end - Nexmark.TUMBLE + Nexmark.SLIDE;
      Map<Long, Long> counts = new HashMap<>();
      List<Bytes> past = new ArrayList<>();
      try (KeyValueIterator<Bytes, byte[]> each = slides.range(key(oldest, 0), key(end, Long.MAX_VALUE))) {
        while (each.hasNext()) {
          KeyValue<Bytes, byte[]> entry = each.next();
          ByteBuffer address = ByteBuffer.wrap(entry.key.get());
          if (address.getLong() == oldest) past.add(entry.key);
          counts.merge(address.getLong(), ByteBuffer.wrap(entry.value).getLong(), Long::sum);
        }
      }
      for (Bytes address : past) slides.delete(address);
      long most = 0;
      List<String> rows = new ArrayList<>();
      for (Map.Entry<Long, Long> each : counts.entrySet()) {
        if (each.getValue() > most) rows.clear();
        if (each.getValue() < most) continue;
        most = each.getValue();
        rows.add(end + "," + each.getKey() + "," + most);
      }
      forward(end, Partial.of(most, rows), end);
    }
  }

  /** q7: the highest bids of each window in this partition. */
  static final class HighestBids extends Closing<byte[]> {
    private KeyValueStore<Bytes, byte[]> best;

    HighestBids(long first) {
      super(first, Nexmark.TUMBLE);
    }

    @Override
    void opened() {
      super.opened();
      best = store("best");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      Nexmark.Event event = parse(record.value());
      if (event.isBid() && !event.isEnd()) {
        long end = Nexmark.endOf(event.at, Nexmark.TUMBLE);
        byte[] before = best.get(key(end));
        long most = before == null ? -1 : Partial.most(before);
        if (event.price >= most) {
          List<String> rows = event.price == most ? Partial.rows(before) : new ArrayList<>();
          rows.add(end + "," + event.price + "," + event.auction + "," + event.bidder + "," + event.at);
          best.put(key(end), Partial.of(event.price, rows));
        }
      }
      reached(event.at);
    }

    @Override
    void close(long end) {
      byte[] stored = best.delete(key(end));
      forward(end, stored == null ? Partial.of(0, List.of()) : stored, end);
    }
  }

  /** What one partition has of a window: a largest value, and the rows that have it. */
  static final class Partial {
    static byte[] of(long most, List<String> rows) {
      byte[] text = String.join("\n", rows).getBytes(StandardCharsets.US_ASCII);
      return ByteBuffer.allocate(8 + text.length).putLong(most).put(text).array();
    }

    static long most(byte[] partial) {
      return ByteBuffer.wrap(partial).getLong();
    }

    static List<String> rows(byte[] partial) {
      if (partial.length == 8) return new ArrayList<>();
      return new ArrayList<>(List.of(new String(partial, 8, partial.length - 8, StandardCharsets.US_ASCII).split("\n")));
    }
  }

  /** q5 and q7, last: the rows of the largest value, once all partitions have told theirs. */
  static final class MostOfAll extends Each<Long, byte[]> {
    private final int partitions;
    private KeyValueStore<Bytes, byte[]> windows;

    MostOfAll(int partitions) {
      this.partitions = partitions;
    }

    @Override
    void opened() {
      windows = store("windows");
    }

    @Override
    public void process(Record<Long, byte[]> record) {
      // Of a window: how many have told, then the best of these.
      byte[] stored = windows.get(key(record.key()));
      int told = 1 + (stored == null ? 0 : stored[0]);
      byte[] known = stored == null ? Partial.of(0, List.of()) : Arrays.copyOfRange(stored, 1, stored.length);
      byte[] best = record.value();
      if (Partial.most(known) > Partial.most(best)) best = known;
      else if (Partial.most(known) == Partial.most(best)) {
        List<String> rows = Partial.rows(known);
        rows.addAll(Partial.rows(best));
        best = Partial.of(Partial.most(best), rows);
      }
      if (told < partitions) {
        windows.put(key(record.key()), ByteBuffer.allocate(1 + best.length).put((byte) told).put(best).array());
        return;
      }
      windows.delete(key(record.key()));
      for (String row : Partial.rows(best)) forward(record.key(), row.getBytes(StandardCharsets.US_ASCII), record.timestamp());
    }
  }

  static final class PeopleAndSellers extends Each<byte[], byte[]> {
    @Override
    public void process(Record<byte[], byte[]> record) {
      Nexmark.Event event = parse(record.value());
      if (event.isEnd()) forward(END, key(event.at).get(), event.at);
      if (event.isBid()) return;
      byte[] name = event.name == null ? new byte[0] : event.name.getBytes(StandardCharsets.US_ASCII);
      long person = event.name == null ? event.seller : event.id;
      forward(person, ByteBuffer.allocate(8 + name.length).putLong(event.at).put(name).array(), event.at);
    }
  }

  /** q8: a person and an auction of theirs in one window. What is stored of both: whether they sell, then the name. */
  static final class NewSellers extends Each<Long, byte[]> {
    private KeyValueStore<Bytes, byte[]> seen;
    private long swept;

    @Override
    void opened() {
      seen = store("seen");
    }

    @Override
    public void process(Record<Long, byte[]> record) {
      long at = ByteBuffer.wrap(record.value()).getLong();
      if (record.key() != END) join(record.key(), at, record.value());
      // Windows that are over are forgotten.
      long over = at - Nexmark.BEHIND - (at - Nexmark.BEHIND) % Nexmark.TUMBLE;
      if (over <= swept) return;
      List<Bytes> past = new ArrayList<>();
      try (KeyValueIterator<Bytes, byte[]> each = seen.range(key(0, 0), key(over, Long.MAX_VALUE))) {
        while (each.hasNext()) past.add(each.next().key);
      }
      for (Bytes address : past) seen.delete(address);
      swept = over;
    }

    private void join(long person, long at, byte[] value) {
      long end = Nexmark.endOf(at, Nexmark.TUMBLE);
      boolean isPerson = value.length > 8;
      byte[] before = seen.get(key(end, person));
      boolean sold = before != null && before[0] == 1;
      if (!isPerson && sold) return;
      byte[] name = isPerson ? Arrays.copyOfRange(value, 8, value.length) : before == null ? new byte[0] : Arrays.copyOfRange(before, 1, before.length);
      boolean sells = sold || !isPerson;
      seen.put(key(end, person), ByteBuffer.allocate(1 + name.length).put((byte) (sells ? 1 : 0)).put(name).array());
      if (sells && name.length > 0) forward(person, text(person, new String(name, StandardCharsets.US_ASCII), end - Nexmark.TUMBLE), at);
    }
  }
}
