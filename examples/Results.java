// Consumes results: java -cp amqp-client.jar:slf4j-api.jar:jackson-databind.jar:jackson-core.jar:jackson-annotations.jar Results.java [AMQP_URL [QUEUE]]
//
// Results come at least once, so what is done with one is done under its id. A message is acked after that.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;

public class Results {
    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(arguments.length > 0 ? arguments[0] : "amqp://guest:guest@127.0.0.1:5672/%2f");
        String queue = arguments.length > 1 ? arguments[1] : "paceline.results";
        ObjectMapper mapper = new ObjectMapper();
        Set<String> seen = new HashSet<>(); // a program that is started again keeps this in its database
        Connection connection = factory.newConnection();
        Channel channel = connection.createChannel();
        channel.basicQos(100);
        channel.basicConsume(queue, false, new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body)
                    throws IOException {
                JsonNode result = mapper.readTree(body);
                String id = result.get("id").asText();
                if (seen.add(id)) {
                    System.out.println(id + "\t" + result.path("key").asText());
                    for (JsonNode warning : result.path("warnings")) {
                        System.out.println(id + "\twarning: " + warning.get("message").asText() + ": " + warning.get("values"));
                    }
                }
                channel.basicAck(envelope.getDeliveryTag(), false);
            }
        });
    }
}
