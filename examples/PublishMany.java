// Publishes 500 jobs with their confirms in flight: java -cp amqp-client.jar:slf4j-api.jar PublishMany.java [AMQP_URL]

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.MessageProperties;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;

public class PublishMany {
    static final int COUNT = 500;

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(arguments.length > 0 ? arguments[0] : "amqp://guest:guest@127.0.0.1:5672/%2f");
        ConcurrentNavigableMap<Long, String> inFlight = new ConcurrentSkipListMap<>();
        Set<String> lost = ConcurrentHashMap.newKeySet();
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            channel.confirmSelect();
            channel.addConfirmListener(
                    (tag, multiple) -> confirmed(inFlight, tag, multiple).clear(),
                    (tag, multiple) -> {
                        ConcurrentNavigableMap<Long, String> refused = confirmed(inFlight, tag, multiple);
                        lost.addAll(refused.values());
                        refused.clear();
                    });
            // The broker confirms what it cannot route, too: it says so first.
            channel.addReturnListener(message -> lost.add(message.getProperties().getMessageId()));
            for (int number = 0; number < COUNT; number++) {
                String id = "class-" + number + "-2033";
                String job = "{\"id\":\"" + id + "\",\"method\":\"feishu.calendar.create\",\"app\":\"acme\","
                        + "\"batch\":\"classes-2033\",\"body\":{\"summary\":\"Class " + number + " 班级\"}}";
                AMQP.BasicProperties properties = MessageProperties.PERSISTENT_BASIC.builder().messageId(id).build();
                inFlight.put(channel.getNextPublishSeqNo(), id);
                channel.basicPublish("", "paceline.jobs", true, properties, job.getBytes(StandardCharsets.UTF_8));
            }
            channel.waitForConfirms(60_000);
        }
        lost.addAll(inFlight.values());
        if (!lost.isEmpty()) {
            throw new IllegalStateException("not published, publish the same ids again: " + lost);
        }
        System.out.println("published " + COUNT + " jobs");
    }

    static ConcurrentNavigableMap<Long, String> confirmed(
            ConcurrentNavigableMap<Long, String> inFlight, long tag, boolean multiple) {
        return multiple ? inFlight.headMap(tag, true) : inFlight.subMap(tag, true, tag, true);
    }
}
