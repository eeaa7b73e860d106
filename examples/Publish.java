// Publishes one job with a confirm: java -cp amqp-client.jar:slf4j-api.jar Publish.java [AMQP_URL]

import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.MessageProperties;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicReference;

public class Publish {
    static final String JOB =
            "{\"id\":\"dept-hr-2031\",\"method\":\"feishu.calendar.create\",\"app\":\"acme\",\"body\":{\"summary\":\"HR 人力资源部\"}}";

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(arguments.length > 0 ? arguments[0] : "amqp://guest:guest@127.0.0.1:5672/%2f");
        AtomicReference<String> returned = new AtomicReference<>();
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            channel.confirmSelect();
            // The broker confirms what it cannot route, too: it says so first.
            channel.addReturnListener(message -> returned.set(message.getReplyText()));
            channel.basicPublish("", "paceline.jobs", true, MessageProperties.PERSISTENT_BASIC, JOB.getBytes(StandardCharsets.UTF_8));
            channel.waitForConfirmsOrDie(10_000);
        }
        if (returned.get() != null) {
            throw new IllegalStateException("not published: " + returned.get());
        }
        System.out.println("published");
    }
}
