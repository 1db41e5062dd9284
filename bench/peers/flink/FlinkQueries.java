/*
 * The peer: queries of Nexmark on an embedded Flink cluster, from the Kafka topic "events" into "answers" by the connector's
 * exactly-once sink, whose rows are visible when a checkpoint completes. Arguments: the broker's address, the query,
 * checkpoint interval in ms, parallelism, folder for state and checkpoints, and the state backend ("rocksdb" or "hashmap").
 *
 *   q5   bids by auction, counted in sliding windows -> of each window's counts the largest
 *   q7   bids by group of auctions, the highest of each window -> the highest of all groups
 *   q8   people and auctions by person -> who sells in the window in which they came
 */
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessAllWindowFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

public final class FlinkQueries {
  static final Duration TUMBLE = Duration.ofMillis(Nexmark.TUMBLE);
  static final Duration SLIDE = Duration.ofMillis(Nexmark.SLIDE);
  static final TypeInformation<Nexmark.Event> EVENT = TypeInformation.of(Nexmark.Event.class);
  /** The largest value so far, and the rows that have it. */
  static final TypeInformation<Tuple2<Long, List<String>>> LARGEST = Types.TUPLE(Types.LONG, Types.LIST(Types.STRING));
  static final TypeInformation<Tuple2<Long, String>> VALUED = Types.TUPLE(Types.LONG, Types.STRING);

  public static void main(String[] args) throws Exception {
    String address = args[0];
    Configuration settings = new Configuration();
    settings.setString("execution.checkpointing.interval", args[2] + "ms");
    settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    settings.setString("execution.checkpointing.dir", "file://" + args[4] + "/checkpoints");
    settings.setString("execution.checkpointing.incremental", "true");
    settings.setString("state.backend.type", args[5]);
    settings.setString("state.backend.rocksdb.localdir", args[4] + "/rocksdb");
    settings.setString("io.tmp.dirs", args[4] + "/tmp");
    settings.setString("taskmanager.memory.managed.size", "256m");
    settings.setString("pipeline.object-reuse", "true");
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(Integer.parseInt(args[3]), settings);
    KafkaSource<Nexmark.Event> source =
        KafkaSource.<Nexmark.Event>builder()
            .setBootstrapServers(address)
            .setTopics(Nexmark.EVENTS)
            .setGroupId("queries")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setDeserializer(new Events())
            .build();
    WatermarkStrategy<Nexmark.Event> watermarks =
        WatermarkStrategy.<Nexmark.Event>forBoundedOutOfOrderness(Duration.ofMillis(Nexmark.BEHIND)).withTimestampAssigner((event, before) -> event.at);
    // The topic has one partition: further readers would have none, and no watermark either.
    DataStream<Nexmark.Event> events = environment.fromSource(source, watermarks, "events", EVENT).setParallelism(1);
    DataStream<String> rows =
        switch (args[1]) {
          case "q5" -> mostBids(events);
          case "q7" -> highestBids(events);
          case "q8" -> newSellers(events);
          default -> throw new IllegalArgumentException(args[1]);
        };
    Properties producer = new Properties();
    producer.setProperty("transaction.timeout.ms", "900000");
    KafkaSink<String> sink =
        KafkaSink.<String>builder()
            .setBootstrapServers(address)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix("queries")
            .setKafkaProducerConfig(producer)
            .setRecordSerializer(
                (KafkaRecordSerializationSchema<String>) (row, context, timestamp) -> new ProducerRecord<>(Nexmark.ANSWERS, row.getBytes(StandardCharsets.US_ASCII)))
            .build();
    rows.sinkTo(sink);
    environment.execute("queries");
  }

  static final class Events implements KafkaRecordDeserializationSchema<Nexmark.Event> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Nexmark.Event> out) throws IOException {
      out.collect(Nexmark.parse(record.value()));
    }

    @Override
    public TypeInformation<Nexmark.Event> getProducedType() {
      return EVENT;
    }
  }

  /** Only what the query needs leaves the source's chain. */
  static DataStream<String> mostBids(DataStream<Nexmark.Event> events) {
    DataStream<Long> bids = events.filter(Nexmark.Event::isBid).setParallelism(1).map(event -> event.auction).returns(Types.LONG).setParallelism(1);
    return bids.keyBy(auction -> auction, Types.LONG)
        .window(SlidingEventTimeWindows.of(TUMBLE, SLIDE))
        .aggregate(new Count(), new AuctionOfWindow(), Types.LONG, Types.LONG, VALUED)
        .windowAll(TumblingEventTimeWindows.of(SLIDE))
        .aggregate(new Largest(), new RowsOfWindow(), LARGEST, LARGEST, Types.STRING);
  }

  static DataStream<String> highestBids(DataStream<Nexmark.Event> events) {
    TypeInformation<Tuple3<Long, Long, String>> priced = Types.TUPLE(Types.LONG, Types.LONG, Types.STRING);
    DataStream<Tuple3<Long, Long, String>> bids =
        events
            .filter(Nexmark.Event::isBid)
            .setParallelism(1)
            .map(event -> Tuple3.of(event.auction % Nexmark.GROUPS, event.price, event.price + "," + event.auction + "," + event.bidder + "," + event.at))
            .returns(priced)
            .setParallelism(1);
    return bids.keyBy(bid -> bid.f0, Types.LONG)
        .window(TumblingEventTimeWindows.of(TUMBLE))
        .aggregate(new HighestOfGroup(), new RowsOfGroup(), LARGEST, LARGEST, VALUED)
        .windowAll(TumblingEventTimeWindows.of(TUMBLE))
        .aggregate(new Largest(), new RowsOfWindow(), LARGEST, LARGEST, Types.STRING);
  }

  static DataStream<String> newSellers(DataStream<Nexmark.Event> events) {
    TypeInformation<Tuple3<Long, String, Long>> people = Types.TUPLE(Types.LONG, Types.STRING, Types.LONG);
    return events
        .filter(event -> !event.isBid())
        .setParallelism(1)
        .map(event -> event.name == null ? Tuple3.of(event.seller, "", event.at) : Tuple3.of(event.id, event.name, event.at))
        .returns(people)
        .setParallelism(1)
        .keyBy(person -> person.f0, Types.LONG)
        .process(new NewSellers())
        .returns(Types.STRING);
  }

  static final class Count implements AggregateFunction<Long, Long, Long> {
    @Override
    public Long createAccumulator() {
      return 0L;
    }

    @Override
    public Long add(Long auction, Long count) {
      return count + 1;
    }

    @Override
    public Long getResult(Long count) {
      return count;
    }

    @Override
    public Long merge(Long a, Long b) {
      return a + b;
    }
  }

  static final class AuctionOfWindow extends ProcessWindowFunction<Long, Tuple2<Long, String>, Long, TimeWindow> {
    @Override
    public void process(Long auction, Context context, Iterable<Long> counts, Collector<Tuple2<Long, String>> out) {
      for (Long count : counts) out.collect(Tuple2.of(count, auction + "," + count));
    }
  }

  /** Of values with their rows, those of the largest value. */
  static class Largest implements AggregateFunction<Tuple2<Long, String>, Tuple2<Long, List<String>>, Tuple2<Long, List<String>>> {
    @Override
    public Tuple2<Long, List<String>> createAccumulator() {
      return Tuple2.of(-1L, new ArrayList<>());
    }

    @Override
    public Tuple2<Long, List<String>> add(Tuple2<Long, String> valued, Tuple2<Long, List<String>> largest) {
      return added(valued.f0, valued.f1, largest);
    }

    @Override
    public Tuple2<Long, List<String>> getResult(Tuple2<Long, List<String>> largest) {
      return largest;
    }

    @Override
    public Tuple2<Long, List<String>> merge(Tuple2<Long, List<String>> a, Tuple2<Long, List<String>> b) {
      throw new UnsupportedOperationException();
    }
  }

  static Tuple2<Long, List<String>> added(long value, String row, Tuple2<Long, List<String>> largest) {
    if (value < largest.f0) return largest;
    List<String> rows = value == largest.f0 ? new ArrayList<>(largest.f1) : new ArrayList<>();
    rows.add(row);
    return Tuple2.of(value, rows);
  }

  static final class HighestOfGroup implements AggregateFunction<Tuple3<Long, Long, String>, Tuple2<Long, List<String>>, Tuple2<Long, List<String>>> {
    @Override
    public Tuple2<Long, List<String>> createAccumulator() {
      return Tuple2.of(-1L, new ArrayList<>());
    }

    @Override
    public Tuple2<Long, List<String>> add(Tuple3<Long, Long, String> bid, Tuple2<Long, List<String>> highest) {
      return added(bid.f1, bid.f2, highest);
    }

    @Override
    public Tuple2<Long, List<String>> getResult(Tuple2<Long, List<String>> highest) {
      return highest;
    }

    @Override
    public Tuple2<Long, List<String>> merge(Tuple2<Long, List<String>> a, Tuple2<Long, List<String>> b) {
      throw new UnsupportedOperationException();
    }
  }

  static final class RowsOfGroup extends ProcessWindowFunction<Tuple2<Long, List<String>>, Tuple2<Long, String>, Long, TimeWindow> {
    @Override
    public void process(Long group, Context context, Iterable<Tuple2<Long, List<String>>> highest, Collector<Tuple2<Long, String>> out) {
      for (Tuple2<Long, List<String>> each : highest) for (String row : each.f1) out.collect(Tuple2.of(each.f0, row));
    }
  }

  /** A row of the answer begins with the end of its window; what comes of a sliding window is in the tumbling one of the same end. */
  static final class RowsOfWindow extends ProcessAllWindowFunction<Tuple2<Long, List<String>>, String, TimeWindow> {
    @Override
    public void process(Context context, Iterable<Tuple2<Long, List<String>>> largest, Collector<String> out) {
      for (Tuple2<Long, List<String>> each : largest) for (String row : each.f1) out.collect(context.window().getEnd() + "," + row);
    }
  }

  /** By the end of each window: whether they sell, and their name. */
  static final class NewSellers extends KeyedProcessFunction<Long, Tuple3<Long, String, Long>, String> {
    private transient MapState<Long, Tuple2<Boolean, String>> seen;

    @Override
    public void open(OpenContext context) {
      seen = getRuntimeContext().getMapState(new MapStateDescriptor<>("seen", Types.LONG, Types.TUPLE(Types.BOOLEAN, Types.STRING)));
    }

    @Override
    public void processElement(Tuple3<Long, String, Long> person, Context context, Collector<String> out) throws Exception {
      long end = Nexmark.endOf(person.f2, Nexmark.TUMBLE);
      Tuple2<Boolean, String> before = seen.get(end);
      boolean sold = before != null && before.f0;
      boolean isPerson = !person.f1.isEmpty();
      if (!isPerson && sold) return;
      String name = isPerson ? person.f1 : before == null ? "" : before.f1;
      boolean sells = sold || !isPerson;
      seen.put(end, Tuple2.of(sells, name));
      if (before == null) context.timerService().registerEventTimeTimer(end - 1);
      if (sells && !name.isEmpty()) out.collect(person.f0 + "," + name + "," + (end - Nexmark.TUMBLE));
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<String> out) throws Exception {
      seen.remove(time + 1);
    }
  }
}
