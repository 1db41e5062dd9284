/*
 * The peer: Kafka Streams with exactly_once_v2, from the topic "records" through a keyed count in RocksDB into "results".
 * A result is 16 bytes: the count, and the first 8 bytes of the record that made it. Arguments: the broker's address,
 * commit.interval.ms, threads, folder for state, and bytes of the cache before the changelog (0: each update is a result).
 */
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.*;
import org.apache.kafka.common.utils.Bytes;

public final class StreamsCounter {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "counter");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[1]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[2]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, args[4]);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");

    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, byte[]>stream("records")
        .groupByKey()
        .aggregate(
            () -> new byte[16],
            (key, value, before) -> {
              ByteBuffer result = ByteBuffer.allocate(16);
              result.putLong(ByteBuffer.wrap(before).getLong() + 1);
              result.put(value, 0, 8);
              return result.array();
            },
            Materialized.<String, byte[], KeyValueStore<Bytes, byte[]>>as("counts").withKeySerde(Serdes.String()).withValueSerde(Serdes.ByteArray()))
        .toStream()
        .to("results");
    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setStateListener((now, before) -> System.out.println("state " + now));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(java.time.Duration.ofSeconds(5))));
    streams.start();
    Thread.currentThread().join();
  }
}
