"""Takes figures in: keys, checks, receipts, and the outbox that carries them to Kafka."""
