// Publishes one job with a confirm: go run publish.go [AMQP_URL]
package main

import (
	"context"
	"log"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const job = `{"id":"dept-legal-2031","method":"feishu.calendar.create","app":"acme","body":{"summary":"Legal 法务部"}}`

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	url := "amqp://guest:guest@127.0.0.1:5672/%2f"
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	connection, err := amqp.Dial(url)
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	must(channel.Confirm(false))
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "application/json", Body: []byte(job)}
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", "paceline.jobs", true, false, message)
	must(err)
	taken, err := confirm.WaitContext(ctx)
	must(err)
	select {
	case back := <-returned: // the broker confirms what it cannot route, too: it says so first
		log.Fatalf("not published: %s", back.ReplyText)
	default:
	}
	if !taken {
		log.Fatal("not published: the broker refused the message")
	}
	log.Print("published")
}
