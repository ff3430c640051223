"""Pure rules: values in, values out; no Kafka, SQL, HTTP, clock or environment."""
