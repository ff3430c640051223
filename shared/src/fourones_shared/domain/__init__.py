"""Rules that several services share: values in, values out; no Kafka, SQL, HTTP, clock or environment."""
