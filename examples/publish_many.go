// Publishes 500 jobs with their confirms in flight: go run publish_many.go [AMQP_URL]
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const count = 500

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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := amqp.Dial(url)
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	must(channel.Confirm(false))
	// The broker confirms what it cannot route, too: it says so first.
	returned := channel.NotifyReturn(make(chan amqp.Return, count))

	confirms := make(map[string]*amqp.DeferredConfirmation, count)
	for number := range count {
		id := fmt.Sprintf("class-%d-2032", number)
		job := map[string]any{
			"id": id, "method": "feishu.calendar.create", "app": "acme", "batch": "classes-2032",
			"body": map[string]any{"summary": fmt.Sprintf("Class %d 班级", number)},
		}
		body, err := json.Marshal(job)
		must(err)
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, ContentType: "application/json", MessageId: id, Body: body}
		confirms[id], err = channel.PublishWithDeferredConfirmWithContext(ctx, "", "paceline.jobs", true, false, message)
		must(err)
	}
	lost := 0
	for id, confirm := range confirms {
		taken, err := confirm.WaitContext(ctx)
		if err != nil || !taken {
			lost++
			log.Printf("not published: %s: %v", id, err)
		}
	}
	for len(returned) > 0 {
		lost++
		log.Printf("not published: %s: no such queue", (<-returned).MessageId)
	}
	if lost > 0 {
		log.Fatalf("%d of %d jobs were not published; publish the same ids again", lost, count)
	}
	log.Printf("published %d jobs", count)
}
