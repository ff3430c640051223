"""What the services agree on: words, events, catalogue, and how to speak to Kafka, PostgreSQL and HTTP."""
