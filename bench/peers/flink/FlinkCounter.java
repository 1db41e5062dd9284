/*
 * The peer: an embedded Flink cluster, from the Kafka topic "records" through a keyed count in RocksDB into "results" by
 * the connector's exactly-once sink, whose results are visible when a checkpoint completes. A result is 16 bytes: the
 * count, and the first 8 bytes of the record that made it. Arguments: the broker's address, checkpoint interval in ms,
 * parallelism, folder for state and checkpoints, records between two of RocksDB's batches, and whether checkpoints are
 * incremental.
 */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.clients.producer.ProducerRecord;

public final class FlinkCounter {
  static final TypeInformation<Tuple2<String, byte[]>> PAIR = Types.TUPLE(Types.STRING, Types.PRIMITIVE_ARRAY(Types.BYTE));

  public static void main(String[] args) throws Exception {
    String address = args[0];
    Configuration settings = new Configuration();
    settings.setString("execution.checkpointing.interval", args[1] + "ms");
    settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
    settings.setString("execution.checkpointing.dir", "file://" + args[3] + "/checkpoints");
    settings.setString("execution.checkpointing.incremental", args[4]);
    settings.setString("execution.buffer-timeout.interval", args[5] + "ms");
    settings.setString("state.backend.type", "rocksdb");
    settings.setString("state.backend.rocksdb.localdir", args[3] + "/rocksdb");
    settings.setString("io.tmp.dirs", args[3] + "/tmp");
    settings.setString("taskmanager.memory.managed.size", "256m");
    settings.setString("pipeline.object-reuse", "true");
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(Integer.parseInt(args[2]), settings);

    KafkaSource<Tuple2<String, byte[]>> source =
        KafkaSource.<Tuple2<String, byte[]>>builder()
            .setBootstrapServers(address)
            .setTopics("records")
            .setGroupId("counter")
            .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
            .setDeserializer(new Pairs())
            .build();
    Properties producer = new Properties();
    producer.setProperty("transaction.timeout.ms", "900000");
    KafkaSink<Tuple2<String, byte[]>> sink =
        KafkaSink.<Tuple2<String, byte[]>>builder()
            .setBootstrapServers(address)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix("counter")
            .setKafkaProducerConfig(producer)
            .setRecordSerializer(
                (KafkaRecordSerializationSchema<Tuple2<String, byte[]>>)
                    (pair, context, timestamp) -> new ProducerRecord<>("results", pair.f0.getBytes(StandardCharsets.US_ASCII), pair.f1))
            .build();
    environment.fromSource(source, WatermarkStrategy.noWatermarks(), "records", PAIR).keyBy(pair -> pair.f0, Types.STRING).process(new Counter()).returns(PAIR).sinkTo(sink);
    environment.execute("counter");
  }

  static final class Pairs implements KafkaRecordDeserializationSchema<Tuple2<String, byte[]>> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple2<String, byte[]>> out) {
      out.collect(Tuple2.of(new String(record.key(), StandardCharsets.US_ASCII), record.value()));
    }

    @Override
    public TypeInformation<Tuple2<String, byte[]>> getProducedType() {
      return PAIR;
    }
  }

  static final class Counter extends KeyedProcessFunction<String, Tuple2<String, byte[]>, Tuple2<String, byte[]>> {
    private transient ValueState<Long> count;

    @Override
    public void open(OpenContext context) {
      count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
    }

    @Override
    public void processElement(Tuple2<String, byte[]> pair, Context context, Collector<Tuple2<String, byte[]>> out) throws Exception {
      Long before = count.value();
      long now = before == null ? 1 : before + 1;
      count.update(now);
      out.collect(Tuple2.of(pair.f0, ByteBuffer.allocate(16).putLong(now).put(pair.f1, 0, 8).array()));
    }
  }
}
