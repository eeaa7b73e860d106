// Consumes results: go run results.go [AMQP_URL [QUEUE]]
//
// Results come at least once, so what is done with one is done under its id. A message is acked after that.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

type result struct {
	ID       string          `json:"id"`
	Key      string          `json:"key"`
	Result   json.RawMessage `json:"result"`
	Warnings []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
		Values  []any  `json:"values"`
	} `json:"warnings"`
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func argument(number int, otherwise string) string {
	if len(os.Args) > number {
		return os.Args[number]
	}
	return otherwise
}

func main() {
	connection, err := amqp.Dial(argument(1, "amqp://guest:guest@127.0.0.1:5672/%2f"))
	must(err)
	defer connection.Close()
	channel, err := connection.Channel()
	must(err)
	must(channel.Qos(100, 0, false))
	deliveries, err := channel.Consume(argument(2, "paceline.results"), "", false, false, false, false, nil)
	must(err)
	seen := map[string]bool{} // a program that is started again keeps this in its database
	for delivery := range deliveries {
		var one result
		must(json.Unmarshal(delivery.Body, &one))
		if !seen[one.ID] {
			seen[one.ID] = true
			fmt.Printf("%s\t%s\n", one.ID, one.Key)
			for _, warning := range one.Warnings {
				fmt.Printf("%s\twarning: %s: %v\n", one.ID, warning.Message, warning.Values)
			}
		}
		must(delivery.Ack(false))
	}
	log.Fatal("the connection has ended")
}
